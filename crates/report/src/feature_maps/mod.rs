//! Feature maps as pictures: a sheet of all channels of a layer, and one picture of a whole network.

mod channel;
mod filters;
mod overview;
mod sheet;

pub use filters::filter_sheet;
pub use overview::overview;
pub use sheet::sheet;

pub(crate) use channel::{Scale, fitted_size, is_single, scaled_map};

use std::path::{Path, PathBuf};

use convscope_inspect::FeatureMaps;

use crate::picture::picture;
use crate::{ReportError, png};

/// Writes the [`sheet`] of every layer and the [`overview`] of all into a folder, which is made where it is absent:
/// `00_overview.png`, `01_conv2d.png`, `02_conv2d_1.png` and so on in the order of the layers, and
/// `filters_conv2d.png` where the network has colour filters. Returns the paths.
///
/// # Errors
/// [`ReportError::Write`] if the file system refuses the folder or a file, [`ReportError::NoPixels`] if the input
/// has none.
pub fn save_all(maps: &FeatureMaps, folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| ReportError::Write { path: folder.to_owned(), source })?;
    let digits = maps.layers.len().to_string().len().max(2);
    let input = picture(&maps.image.rgb, maps.image.height, maps.image.width, folder)?;
    let mut paths = vec![folder.join(format!("{:0digits$}_overview.png", 0))];
    png::save(&overview(&maps.layers, &input), &paths[0])?;
    for (index, layer) in maps.layers.iter().enumerate() {
        let path = folder.join(format!("{:0digits$}_{}.png", index + 1, file_name(&layer.name)));
        png::save(&sheet(layer, &input), &path)?;
        paths.push(path);
    }
    if let Some(filters) = &maps.filters {
        let path = folder.join(format!("filters_{}.png", file_name(&filters.name)));
        png::save(&filter_sheet(filters), &path)?;
        paths.push(path);
    }
    Ok(paths)
}

/// A node's name as part of a file's name: what a file system may refuse becomes `_`.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use convscope_inspect::feature_maps::Filters;

    use super::*;
    use crate::samples::{example, layer};

    #[test]
    fn a_file_for_each_layer_in_order_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let layers = vec![layer("conv/1", 2, 3, 4), layer("..\\b", 5, 1, 1)];
        let filters =
            Filters { name: "conv/1".into(), height: 1, width: 1, max_abs: 1.0, rgb: vec![vec![1, 2, 3]; 2] };
        let maps = FeatureMaps { image: example(3, 4), layers, filters: Some(filters) };
        let paths = save_all(&maps, &folder.path().join("maps")).unwrap();
        let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["00_overview.png", "01_conv_1.png", "02_.._b.png", "filters_conv_1.png"]);
        assert!(paths.iter().all(|path| path.is_file()));
    }

    #[test]
    fn an_input_without_pixels_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let maps = FeatureMaps { image: example(0, 3), layers: Vec::new(), filters: None };
        let error = save_all(&maps, folder.path()).unwrap_err().to_string();
        assert!(error.contains("the image is 3x0"), "{error}");
    }
}
