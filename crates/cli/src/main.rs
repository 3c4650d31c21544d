//! The `convscope` command.

fn main() {}
