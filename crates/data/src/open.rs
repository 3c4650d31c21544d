//! Opens a source by the name that the user typed.

use std::path::Path;
use std::sync::Arc;

use crate::{
    Channels, DataError, Source, SourceOptions, Splits, cifar, folder, in_grey, shapes, train_on_val, whole,
};

/// Opens a data set.
///
/// `spec` is `shapes` (the built-in synthetic pictures), `cifar10` (from the cache folder, downloaded if it is not
/// there), or a folder: CIFAR-10 or CIFAR-100 in the binary version, recognised by their files, or an image folder
/// `DIR/<class>/*` or `DIR/{train,val,test}/<class>/*`.
///
/// # Errors
/// Anything that makes the data unusable is found here rather than in the middle of training: missing or truncated
/// files, labels out of range, classes without images, unreadable images (see
/// [`BadImages`](crate::BadImages)), options outside their range.
pub fn open(spec: &str, options: &SourceOptions) -> Result<Arc<dyn Source>, DataError> {
    let source = match spec {
        "shapes" => shapes::open(options)?,
        "cifar10" => {
            let folder = options.cifar10.fetch(options.cache_dir.as_deref(), &options.listener)?;
            cifar::open(&folder, cifar::Variant::Cifar10, "cifar10", options)?
        }
        _ => open_folder(Path::new(spec), options)?,
    };
    let source = match options.channels {
        Channels::Grey => in_grey(source)?,
        Channels::Rgb => source,
    };
    match &options.splits {
        Splits::Whole { classes } => whole(source, classes),
        _ if options.train_on_val => Ok(train_on_val(source)),
        _ => Ok(source),
    }
}

fn open_folder(path: &Path, options: &SourceOptions) -> Result<Arc<dyn Source>, DataError> {
    if !path.exists() {
        return Err(DataError::NotFound { path: path.to_owned() });
    }
    if !path.is_dir() {
        return Err(DataError::NotAFolder { path: path.to_owned() });
    }
    let name = path.display().to_string();
    match cifar::recognise(path)? {
        Some((folder, variant)) => cifar::open(&folder, variant, &name, options),
        None => folder::open(path, options),
    }
}
