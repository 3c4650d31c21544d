//! Every file that convscope writes or locks, and every file that it reads whole.
//!
//! Results are replaced whole by [`WholeFile`], tables and journals grow by [`AppendFile`], and folders that only one process may
//! write to are held by a [`FileLock`]. What one of these calls has returned for is on the disk: after a crash or a power cut it is
//! still there. [`open`], [`read`] and [`read_to_string`] take regular files only, because a pipe without a writer would
//! make the program wait for ever.
//!
//! Errors are the operating system's; callers add the path and what they wanted to do.

mod append;
mod fault;
mod folder;
mod input;
mod lock;
mod special;
mod whole;

pub use append::AppendFile;
pub use folder::{create_folder, create_folders, move_folder};
pub use input::{open, read, read_to_string};
pub use lock::{FileLock, LockError};
pub use whole::{WholeFile, is_partial_file, remove_partial_files, write_whole};
