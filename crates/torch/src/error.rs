//! What can be wrong with a file.

use thiserror::Error;

/// A file whose arrays cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TorchError {
    /// Neither of the two forms.
    #[error("was not written by torch.save")]
    OtherFormat,
    /// An archive that is damaged or truncated.
    #[error("is not a whole archive of torch.save ({0})")]
    Archive(#[source] zip::result::ZipError),
    /// An archive without a file that every one has.
    #[error("is an archive without '{0}'; it may be truncated, or not of torch.save")]
    NoEntry(String),
    /// A compressed file in the archive; PyTorch stores them as they are.
    #[error("has '{0}' in compressed form, in which torch.save writes nothing")]
    Compressed(String),
    /// A program of TorchScript.
    #[error("is a TorchScript program, not a dictionary of arrays")]
    Script,
    /// Numbers in the byte order of another kind of processor.
    #[error("has its numbers in big-endian byte order, which is not supported")]
    BigEndian,
    /// The end of the file, or of its pickle, comes too early.
    #[error("ends at byte {0}, in the middle of its contents; it may be truncated")]
    Truncated(usize),
    /// An instruction that pickles of `torch.save` do not have.
    #[error("has the byte {code:#04x} at {at}, which is no instruction of torch.save's pickles")]
    Instruction {
        /// The byte.
        code: u8,
        /// Its place in the pickle.
        at: usize,
    },
    /// An instruction that does not fit what came before it.
    #[error("has a damaged pickle: at byte {at}, {problem}")]
    Pickle {
        /// The place of the instruction.
        at: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A Python object that is not part of an array.
    #[error("asks for the Python object {0}, which is not needed for arrays and is not run")]
    Global(String),
    /// More than the [`limits`](crate::limits) allow.
    #[error("has a pickle of more than {most} {what}")]
    TooLarge {
        /// Instructions or values.
        what: &'static str,
        /// The limit.
        most: usize,
    },
    /// The bytes of an array that are not in the file.
    #[error("has {found} bytes where storage '{storage}' needs {needed}; it may be truncated")]
    Storage {
        /// The storage's key.
        storage: String,
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// An array whose shape, strides and offset do not describe a part of its storage.
    #[error(
        "has an array of shape {shape:?} with strides {strides:?} from element {offset}, which is not within the {elements} elements of its storage"
    )]
    Outside {
        /// The shape.
        shape: Vec<usize>,
        /// Elements from one index to the next, for each axis.
        strides: Vec<usize>,
        /// The first element.
        offset: usize,
        /// The number of elements of the storage.
        elements: usize,
    },
    /// No state dictionary.
    #[error("has no dictionary of arrays; it has {0}")]
    NoArrays(String),
    /// Several state dictionaries, none under a usual name.
    #[error("has several dictionaries of arrays: {}", .0.join(", "))]
    Several(Vec<String>),
    /// The system cannot provide the memory for an array.
    #[error("has an array of {0} elements, for which there is no memory")]
    OutOfMemory(usize),
}
