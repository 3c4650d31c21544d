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

use convscope_files::{create_folders, stems};
use convscope_inspect::FeatureMaps;

use crate::picture::picture;
use crate::{ReportError, png};

/// Writes the [`sheet`] of every layer and the [`overview`] of all into a folder, which is created if missing:
/// `00_overview.png`, `01_conv2d.png`, `02_conv2d_1.png` and so on in the order of the layers, and `filters_conv2d.png`
/// if the network has colour filters. Files with such names from an earlier network are removed. Returns the paths.
///
/// # Errors
/// [`ReportError::Write`] if the file system refuses the folder or a file, [`ReportError::NoPixels`] if the input
/// has none.
pub fn save_all(maps: &FeatureMaps, folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    create_folders(folder).map_err(ReportError::write(folder))?;
    let digits = maps.layers.len().to_string().len().max(2);
    let input = picture(&maps.image.rgb, maps.image.height, maps.image.width, folder)?;
    let mut paths = vec![folder.join(format!("{:0digits$}_overview.png", 0))];
    png::save(&overview(&maps.layers, &input), &paths[0])?;
    let names = stems(maps.layers.iter().map(|layer| layer.name.as_str()));
    for (index, (layer, stem)) in maps.layers.iter().zip(names).enumerate() {
        let path = folder.join(format!("{:0digits$}_{stem}.png", index + 1));
        png::save(&sheet(layer, &input), &path)?;
        paths.push(path);
    }
    if let Some(filters) = &maps.filters {
        let path = folder.join(format!("filters_{}.png", stems([filters.name.as_str()]).concat()));
        png::save(&filter_sheet(filters), &path)?;
        paths.push(path);
    }
    for old in pictures_in(folder).filter(|path| !paths.contains(path)) {
        std::fs::remove_file(&old).map_err(|source| ReportError::Write { path: old, source })?;
    }
    Ok(paths)
}

/// Removes what [`save_all`] wrote: its files, and the folder if it is then empty. A missing folder is fine.
///
/// # Errors
/// [`ReportError::Write`] if the file system refuses to remove a file.
pub fn remove_all(folder: &Path) -> Result<(), ReportError> {
    for path in pictures_in(folder) {
        std::fs::remove_file(&path).map_err(|source| ReportError::Write { path, source })?;
    }
    // A folder with other contents stays.
    let _ = std::fs::remove_dir(folder);
    Ok(())
}

/// The files in a folder with names from this module.
fn pictures_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let paths = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let digits = name.bytes().take_while(u8::is_ascii_digit).count();
        let is_ours = name.starts_with("filters_") || (digits >= 2 && name[digits..].starts_with('_'));
        is_ours && name.ends_with(".png")
    })
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
        assert_eq!(names, ["00_overview.png", "01_conv%2F1.png", "02_%2E.%5Cb.png", "filters_conv%2F1.png"]);
        assert!(paths.iter().all(|path| path.is_file()));
    }

    #[test]
    fn another_network_leaves_no_picture_of_the_first_one() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("maps");
        let of = |names: &[&str]| FeatureMaps {
            image: example(3, 4),
            layers: names.iter().map(|name| layer(name, 2, 3, 4)).collect(),
            filters: None,
        };
        save_all(&of(&["conv", "batch_norm", "dense"]), &folder).unwrap();
        std::fs::write(folder.join("notes.png"), "mine").unwrap();
        std::fs::write(folder.join("1_mine.png"), "mine").unwrap();
        save_all(&of(&["conv", "dense"]), &folder).unwrap();
        let names = || {
            let mut names: Vec<String> = std::fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["00_overview.png", "01_conv.png", "02_dense.png", "1_mine.png", "notes.png"]);
        remove_all(&folder).unwrap();
        assert_eq!(names(), ["1_mine.png", "notes.png"]);
        remove_all(&folder.join("absent")).unwrap();
    }

    #[test]
    fn an_input_without_pixels_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let maps = FeatureMaps { image: example(0, 3), layers: Vec::new(), filters: None };
        let error = save_all(&maps, folder.path()).unwrap_err().to_string();
        assert!(error.contains("the image is 3x0"), "{error}");
    }
}
