//! What the terms of a report mean, and what to do about each finding. docs/reading-a-report.md explains them at more
//! length.

use convscope_inspect::FindingKind;
use minijinja::{Value, context};

/// A term, its anchor on the page, its meaning, and what to do if it is a finding.
struct Term {
    id: &'static str,
    name: &'static str,
    text: &'static str,
    advice: &'static str,
}

/// All terms, for the template.
pub(super) fn view() -> Vec<Value> {
    let term = |term: &Term| {
        context! { id => term.id, name => term.name, text => term.text, advice => term.advice }
    };
    TERMS.iter().map(term).collect()
}

/// The term that explains a finding.
pub(super) fn of(kind: FindingKind) -> Option<&'static str> {
    Some(match kind {
        FindingKind::NonFiniteWeights | FindingKind::NonFiniteActivations => "not-finite",
        FindingKind::DeadLayer | FindingKind::DeadChannels => "dead",
        FindingKind::ActivationsHeldTogether
        | FindingKind::GrowingActivations
        | FindingKind::FadingActivations
        | FindingKind::UnevenActivations => "spread",
        FindingKind::OutlierActivations => "outlier",
        FindingKind::IdleLayer => "idle",
        FindingKind::SmallScales => "small-scales",
        FindingKind::Saturated => "saturated",
        FindingKind::ExplodedLoss => "exploded",
        FindingKind::NothingLearned => "nothing-learned",
        FindingKind::Overfitting => "overfitting",
        FindingKind::FewImages => "few-images",
        FindingKind::Comparison => return None,
    })
}

const fn term(id: &'static str, name: &'static str, text: &'static str, advice: &'static str) -> Term {
    Term { id, name, text, advice }
}

#[rustfmt::skip]
const TERMS: [Term; 23] = [
    term("accuracy", "accuracy", "The share of images whose most probable class is the true one.", ""),
    term("loss", "loss", "The mean cross-entropy: minus the logarithm of the probability that the network gives to the true class. Guessing among n classes has a loss of ln(n).", ""),
    term("splits", "training, validation and test images", "The network learns from the training images. The validation images are used to choose settings and epochs. The test images are set aside for the final figure.", ""),
    term("precision", "precision and recall", "Precision is the share of the images predicted as a class that belong to it. Recall is the share of the images of a class that the network recognises. F1 is their harmonic mean.", ""),
    term("activation", "activation", "A value that a layer passes on, after its activation function. Mean |a| is the mean of their magnitudes over all images, positions and channels.", ""),
    term("normalised", "normalised", "Scaled over the layers of a network: the smallest layer is 0 and the largest 1.", ""),
    term("std", "std", "The standard deviation of a layer's activations over all images, positions and channels.", ""),
    term("rank", "rank", "The effective rank: how many independent directions the channels of a layer use, from 1 to the number of channels (the participation ratio of the eigenvalues of their covariance). A low rank means that channels repeat each other; a narrower layer might be enough.", ""),
    term("gradient-norm", "norm of the gradient", "The length of the gradient of a layer's weights. If it shrinks from the output towards the input by orders of magnitude, the first layers learn slowly.", ""),
    term("update-ratio", "update ratio", "The length of a training step divided by the length of the weights. About 0.001 is usual; far below that a layer hardly learns, far above it training is unsteady.", "change the learning rate by the missing factor."),
    term("grad-cam", "Grad-CAM, saliency, occlusion", "Three ways to show which parts of a picture matter for a class: the channels of a layer weighted by their gradients, the gradient with respect to the pixels, and the drop in probability when a part is covered.", ""),
    term("spread", "how activations change with depth", "The mean magnitude of the activations is compared over the layers that have weights. If the largest is at most four times the smallest, signals keep their size from layer to layer. If they grow or fade steadily, deeper layers see ever larger or smaller values.", "if they grow or fade, use batch normalisation or a different initialiser."),
    term("dead", "dead channel, dead layer", "A channel that is exactly zero at every position of every image. It costs time and contributes nothing. If all channels of a layer are dead, nothing gets past it.", "train again with a lower learning rate; a few dead channels are harmless."),
    term("not-finite", "values that are not finite", "Weights or activations that are NaN or infinite, usually after steps that were too large.", "go back to an earlier checkpoint, or train again with a lower learning rate or with gradient clipping."),
    term("outlier", "a layer that stands out", "Its weights scale their input a hundred times more or less than those of a healthy layer, or its activations are that much larger or smaller than its input.", "check the initialiser and the learning rate of this layer, or put a batch normalisation after it."),
    term("idle", "idle layer", "A layer whose output hardly differs from its input.", "leave it out, and check whether the accuracy stays the same."),
    term("small-scales", "small scales", "A batch normalisation multiplies each channel by a learned scale. Channels with a scale near zero are switched off.", "a narrower layer might be enough."),
    term("saturated", "saturated", "An output of a sigmoid or softmax within 0.001 of 0 or 1, where almost no gradient passes. For the last softmax of a trained classifier this is normal.", "inside a network, use a different activation function or a smaller learning rate."),
    term("exploded", "exploded loss", "A loss many times higher than that of guessing, after steps that were too large.", "train again with a lower learning rate; `convscope lr-find` suggests one."),
    term("nothing-learned", "nothing learned", "After several epochs, the accuracy is still that of guessing.", "first try a different learning rate; `convscope lr-find` suggests one."),
    term("overfitting", "overfitting", "The network has memorised its training images: it gets far more of them right than of the validation images.", "use more images, --augment auto, or stop earlier with --patience 5."),
    term("few-images", "few images", "An accuracy measured on few images may be off by several percentage points. The 95 % interval says by how much.", "test on more images before you compare figures."),
    term("pruned", "pruned trial", "A trial of a search that was ended early because others were better at the same epoch.", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_has_its_term_and_no_two_terms_have_one_address() {
        let kinds = [
            FindingKind::NonFiniteWeights,
            FindingKind::DeadChannels,
            FindingKind::UnevenActivations,
            FindingKind::OutlierActivations,
            FindingKind::IdleLayer,
            FindingKind::SmallScales,
            FindingKind::Saturated,
            FindingKind::ExplodedLoss,
            FindingKind::NothingLearned,
            FindingKind::Overfitting,
            FindingKind::FewImages,
        ];
        for kind in kinds {
            let id = of(kind).unwrap();
            let term = TERMS.iter().find(|term| term.id == id).unwrap();
            assert!(!term.advice.is_empty(), "{id} says what to do");
        }
        let ids: std::collections::HashSet<&str> = TERMS.iter().map(|term| term.id).collect();
        assert_eq!(ids.len(), TERMS.len());
    }
}
