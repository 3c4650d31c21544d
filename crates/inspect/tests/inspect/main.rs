//! Networks inspected through the public interface, against PyTorch's recorded answers and with planted faults.

mod common;
mod comparing;
mod grad_cam;
mod pictures;
mod survey;
