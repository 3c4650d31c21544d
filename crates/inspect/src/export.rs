//! Export of activations for use in Python.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use convscope_data::{Loader, Order, Source, Split};
use convscope_files::{WholeFile, create_folders};
use convscope_graph::{Observation, Observer};
use convscope_kernels::{layout, memory};
use convscope_ops::OutOfMemory;
use ndarray::{Array1, ArrayD, ArrayView4, Axis, IxDyn, concatenate, s};
use ndarray_npy::{NpzWriter, WriteNpzError};

use crate::{InspectError, Inspector};

/// The name of the file.
pub const ACTIVATIONS_FILE: &str = "activations.npz";

/// Most values held at a time; if the nodes have more, the images are run again for the next nodes.
const VALUES_AT_A_TIME: usize = 1 << 28;

impl Inspector {
    /// Writes every node's values for the first `images` images of a split to [`ACTIVATIONS_FILE`] in `folder`, which
    /// is created if missing; returns the file. It contains the normalised images `[N, 3, H, W]` as `input`, their
    /// classes `[N]` as `labels` in int64, and each node's values `[N, C, H, W]` or `[N, F]` under its name; everything
    /// except the labels is float32.
    ///
    /// # Errors
    /// Data that does not fit the network, an empty split, a folder that cannot be written to.
    pub fn export_activations(
        &mut self,
        source: &Arc<dyn Source>,
        split: Split,
        images: usize,
        folder: &Path,
    ) -> Result<PathBuf, InspectError> {
        self.check_source(&**source)?;
        let loader =
            Loader::new(Arc::clone(source), split, self.batch(), Order::Sequential, self.normalization())?;
        let images = images.clamp(1, loader.images());
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |cause| InspectError::Io { action, path, cause }
        };
        create_folders(folder).map_err(io("make the folder", folder))?;
        let path = folder.join(ACTIVATIONS_FILE);
        let mut file = WholeFile::create(&path).map_err(io("create the file", &path))?;
        self.write_activations(&mut file, &loader, images, &path)?;
        file.commit().map_err(io("write the file", &path))?;
        Ok(path)
    }

    fn write_activations(
        &mut self,
        file: &mut WholeFile,
        loader: &Loader,
        images: usize,
        path: &Path,
    ) -> Result<(), InspectError> {
        let failed =
            |error: WriteNpzError| InspectError::Export { path: path.to_owned(), reason: error.to_string() };
        let mut npz = NpzWriter::new_compressed(file);
        for (index, nodes) in self.groups(images).into_iter().enumerate() {
            let mut kept = Kept::new(self, &nodes, images)?;
            let (mut pictures, mut labels) = (Vec::new(), Vec::new());
            let mut done = 0;
            let mut batches = loader.epoch(0, 0);
            while done < images
                && let Some(batch) = batches.next()
            {
                let batch = batch?;
                let count = batch.labels.len().min(images - done);
                let part = batch.images.slice(s![..count, .., .., ..]);
                kept.first_image = done;
                self.executor_mut().logits(part, Some(&kept))?;
                if index == 0 {
                    pictures.push(part.to_owned());
                    labels.extend(batch.labels[..count].iter().map(|&label| label as i64));
                }
                done += count;
                batches.recycle(batch);
            }
            if index == 0 {
                let views: Vec<ArrayView4<'_, f32>> = pictures.iter().map(|part| part.view()).collect();
                let pictures = concatenate(Axis(0), &views).expect("all batches have images of one size");
                npz.add_array("input", &pictures).map_err(failed)?;
                npz.add_array("labels", &Array1::from(labels)).map_err(failed)?;
            }
            for (node, values) in nodes.into_iter().zip(kept.into_values()) {
                let node = &self.graph().nodes()[node];
                let shape: Vec<usize> = [&[images], node.shape.axes()].concat();
                let values = ArrayD::from_shape_vec(IxDyn(&shape), values).expect("every image was seen");
                // The names of the images and their classes are taken.
                let name = match node.name.as_str() {
                    name @ ("input" | "labels") => format!("{name} (node)"),
                    name => name.to_owned(),
                };
                npz.add_array(name, &values).map_err(failed)?;
            }
        }
        npz.finish().map_err(failed)?;
        Ok(())
    }

    /// The nodes in groups whose values fit into memory together.
    fn groups(&self, images: usize) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = vec![Vec::new()];
        let mut held = 0;
        for (index, node) in self.graph().nodes().iter().enumerate() {
            let values = node.shape.len() * images;
            if held > 0 && held + values > VALUES_AT_A_TIME {
                groups.push(Vec::new());
                held = 0;
            }
            held += values;
            groups.last_mut().expect("there is a group").push(index);
        }
        groups
    }
}

/// Keeps the values of some nodes, as planes.
struct Kept {
    first_image: usize,
    /// For each node of the network, its index among those that are kept.
    places: Vec<Option<usize>>,
    values: Vec<Mutex<Vec<f32>>>,
}

impl Kept {
    fn new(inspector: &Inspector, nodes: &[usize], images: usize) -> Result<Kept, OutOfMemory> {
        let all = inspector.graph().nodes();
        let place = |index: usize| nodes.iter().position(|&node| node == index);
        let empty = |&node: &usize| memory::zeros(all[node].shape.len() * images).map(Mutex::new);
        Ok(Kept {
            first_image: 0,
            places: (0..all.len()).map(place).collect(),
            values: nodes.iter().map(empty).collect::<Result<_, _>>()?,
        })
    }

    fn into_values(self) -> impl Iterator<Item = Vec<f32>> {
        self.values.into_iter().map(|values| values.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Kept {
    fn observe(&self, seen: &Observation<'_>) {
        let Some(place) = self.places[seen.node] else { return };
        let len = seen.shape.len();
        let mut values = self.values[place].lock().unwrap_or_else(PoisonError::into_inner);
        let target = &mut values[(self.first_image + seen.first_image) * len..][..seen.images * len];
        layout::to_planes(seen.values, seen.shape.channels(), len, target);
    }
}
