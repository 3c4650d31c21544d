//! Where a network looks: Grad-CAM, saliency and occlusion.

use serde::Serialize;

/// How a heat map is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeatMapMethod {
    /// Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): `relu(sum over c of w[c] * a[c, y, x])` with `a` the
    /// values of a layer and `w[c]` the mean over all positions of the gradient of the class's logit by `a[c]`. The
    /// map has the layer's size.
    GradCam,
    /// Saliency (Simonyan et al. 2013, arXiv:1312.6034): the largest over the colours of |gradient of the class's
    /// logit by the pixel|, on the scale of the normalised input. The map has the image's size.
    Saliency,
    /// Occlusion (Zeiler and Fergus 2013, arXiv:1311.2901): by how much the class's probability falls when a square
    /// of the image is covered with the mean colour, averaged over the squares that cover the pixel. Negative where
    /// covering helps. The map has the image's size.
    Occlusion,
}

/// How much each place of an image counts for a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeatMap {
    /// How it was made.
    pub method: HeatMapMethod,
    /// The layer that Grad-CAM looked at.
    pub node: Option<String>,
    /// The class.
    pub class: usize,
    /// Its name.
    pub class_name: String,
    /// Rows of the map; it covers the whole image, whatever its own size.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
    /// The values, row by row.
    pub values: Vec<f32>,
    /// Smallest finite value.
    pub min: f32,
    /// Largest finite value.
    pub max: f32,
    /// Whether the map says nothing: all values are equal.
    pub is_constant: bool,
}
