//! What of a network stays as it is while the rest is trained, and how its features are kept.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use convscope_data::augment::Item;
use convscope_graph::{Divided, Graph, GraphError};

use super::{Check, TrainConfig};

/// The part of a network that is not trained: its body. `none`, `all-but-head`, or the name of a node.
///
/// ```
/// use convscope_graph::{Graph, preset};
/// use convscope_train::config::Freeze;
/// let graph = Graph::new(preset("resnet8", [3, 16, 16], 5)?)?;
/// let divided = "all-but-head".parse::<Freeze>()?.divide(&graph)?.unwrap();
/// assert_eq!(divided.head.trained_parameters(), 64 * 5 + 5);
/// assert!(Freeze::None.divide(&graph)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Freeze {
    /// Nothing; everything is trained.
    #[default]
    None,
    /// Everything but the last node with trained arrays, and what belongs to it.
    AllButHead,
    /// Everything that this node depends on, and the node itself.
    Node(String),
}

/// Where the features of a frozen body are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureCache {
    /// Nowhere; they are computed for each batch.
    Off,
    /// In memory if they take at most this many million bytes, otherwise in the run directory.
    Megabytes(u64),
}

impl Freeze {
    /// Divides a network into the body that is not trained and the head that is; `None` if all of it is trained.
    ///
    /// # Errors
    /// There is no such node, or the network cannot be divided there; see [`Divided::new`].
    pub fn divide(&self, graph: &Graph) -> Result<Option<Divided>, GraphError> {
        let no_node = |name: &str, problem: &str| {
            Err(GraphError::Structure { node: name.to_owned(), problem: problem.to_owned() })
        };
        let node = match self {
            Freeze::None => return Ok(None),
            Freeze::AllButHead => match graph.last_before_classifier() {
                Some(node) => node,
                None => {
                    return no_node(graph.name(), "has nothing before its classifier that could be frozen");
                }
            },
            Freeze::Node(name) => match graph.nodes().iter().position(|node| node.name == *name) {
                Some(node) => node,
                None => {
                    return no_node(
                        name,
                        "is to be the last frozen node, but there is no node with that name",
                    );
                }
            },
        };
        Divided::new(graph, node).map(Some)
    }

    /// Whether everything is trained.
    pub fn is_none(&self) -> bool {
        *self == Freeze::None
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Freeze::None => "none",
            Freeze::AllButHead => "all-but-head",
            Freeze::Node(name) => name,
        })
    }
}

impl FromStr for Freeze {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Freeze, Infallible> {
        Ok(match text {
            "none" => Freeze::None,
            "all-but-head" => Freeze::AllButHead,
            name => Freeze::Node(name.to_owned()),
        })
    }
}

impl FeatureCache {
    /// The most bytes of memory that features may take; `None` if they are not kept.
    pub fn memory(self) -> Option<u64> {
        match self {
            FeatureCache::Off => None,
            FeatureCache::Megabytes(most) => Some(most.saturating_mul(1_000_000)),
        }
    }
}

impl Default for FeatureCache {
    fn default() -> FeatureCache {
        FeatureCache::Megabytes(1000)
    }
}

impl fmt::Display for FeatureCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FeatureCache::Off => f.write_str("off"),
            FeatureCache::Megabytes(most) => most.fmt(f),
        }
    }
}

impl FromStr for FeatureCache {
    type Err = String;

    fn from_str(text: &str) -> Result<FeatureCache, String> {
        if text == "off" {
            return Ok(FeatureCache::Off);
        }
        let most = text.parse().map_err(|_| format!("{text} is neither `off` nor a number of megabytes"))?;
        Ok(FeatureCache::Megabytes(most))
    }
}

/// Checks the settings of a configuration that concern freezing.
pub(super) fn check(config: &TrainConfig, check: &mut Check<'_>) {
    let is_frozen = !config.freeze.is_none();
    let is_named = !config.freeze.to_string().trim().is_empty();
    check(is_named, "freeze", &"empty", "none, all-but-head or the name of a node");
    if let Some(epoch) = config.unfreeze_at {
        check(is_frozen, "unfreeze_at", &epoch, "left out if nothing is frozen");
    }
    if let Some(lr) = config.lr_body {
        let is_used = !is_frozen || config.unfreeze_at.is_some();
        check(is_used, "lr_body", &lr, "left out if the body stays frozen");
    }
    if let Some(views) = config.cached_views {
        check(is_frozen, "cached_views", &views, "left out if nothing is frozen");
        let varies = views == 0 || !config.augment.is_none();
        check(varies, "cached_views", &views, "0 or left out if augment is none");
        let blends = [Item::Mixup, Item::Cutmix].iter().any(|&item| config.augment.strength(item).is_some());
        let accepted = "0 or left out with mixup and cutmix, which blend images of a batch";
        check(views == 0 || !blends, "cached_views", &views, accepted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartialConfig;

    #[test]
    fn settings_that_do_not_go_together_have_their_error() {
        for (toml, expected) in [
            ("unfreeze_at = 2", "unfreeze_at is 2; it must be left out if nothing is frozen"),
            ("freeze = 'all-but-head'\nunfreeze_at = 1", "unfreeze_at is 1; it must be an epoch from 2"),
            (
                "freeze = 'all-but-head'\nlr_body = 0.1",
                "lr_body is 0.1; it must be left out if the body stays frozen",
            ),
            ("lr_body = 0.0", "lr_body is 0; it must be a finite number above 0"),
            ("cached_views = 0", "cached_views is 0; it must be left out if nothing is frozen"),
            (
                "freeze = 'a'\ncached_views = 2",
                "cached_views is 2; it must be 0 or left out if augment is none",
            ),
            (
                "freeze = 'a'\naugment = 'mixup'\ncached_views = 2",
                "cached_views is 2; it must be 0 or left out with mixup and cutmix, which blend images of a batch",
            ),
        ] {
            let partial: PartialConfig = toml::from_str(toml).unwrap();
            let problems = TrainConfig::default().merged(&partial).unwrap().problems();
            assert_eq!(problems.len(), 1, "{toml}: {problems:?}");
            assert_eq!(problems[0].to_string(), expected);
        }
        let error = toml::from_str::<PartialConfig>("feature_cache = 'some'").unwrap_err().to_string();
        assert!(error.contains("some is neither `off` nor a number of megabytes"), "{error}");
    }
}
