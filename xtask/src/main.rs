//! The project's own tasks: `cargo xtask check | tidy | fixtures | bench`.

fn main() {}
