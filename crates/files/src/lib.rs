//! All files that Convscope writes or locks, and all files that it reads as a whole.
//!
//! [`WholeFile`] replaces results atomically, [`AppendFile`] extends tables and journals, and a [`FileLock`] guards
//! folders that only one process may write to. Once one of these calls has returned, its data is on disk and survives a
//! crash or a power cut. [`open`], [`read`] and [`read_to_string`] accept only regular files, because a pipe without a
//! writer would make the program wait for ever.
//!
//! Errors are those of the operating system; callers add the path and the attempted action.

mod append;
mod copy;
mod fault;
mod folder;
mod input;
mod lock;
mod special;
mod stem;
mod whole;
mod wording;

pub use append::AppendFile;
pub use copy::copy_into;
pub use folder::{create_folder, create_folders, move_folder};
pub use input::{open, read, read_to_string};
pub use lock::{FileLock, LockError};
pub use stem::{MOST_STEM_BYTES, stems};
pub use whole::{WholeFile, is_partial_file, remove_partial_files, write_whole};
pub use wording::{listed, located, plain_words};
