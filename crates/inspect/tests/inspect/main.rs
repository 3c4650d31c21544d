//! Networks looked at through the public interface, against PyTorch's recorded answers and with planted faults.

mod common;
mod comparing;
mod pictures;
mod survey;
