//! What makes two searches part of one study: the data, the model, and the settings that are not searched.

use std::collections::{BTreeMap, BTreeSet};

use convscope_train::TrainConfig;
use convscope_train::config::Setting;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::differences::Differences;
use crate::distribution::Distribution;
use crate::plan::SearchPlan;

/// The format of a study in its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// It records the data, the model and the fixed settings.
    Current,
    /// It was started by a version that recorded only settings and search space. Its data cannot be compared.
    Legacy,
}

/// The data, the model and the settings of a search, as stored in a study's attributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Identity {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// The whole base of the search; settings that do not matter are ignored in comparisons.
    settings: Value,
    /// The configuration keys that are searched (`optimizer.momentum`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    searched: Option<BTreeSet<String>>,
    /// A legacy study's parameters: the name and the distribution of each.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    search: Map<String, Value>,
}

/// Keys that do not affect the result of a trial, and the path of the data, which is represented by the digest of its
/// manifest.
const IGNORED: [&str; 4] = ["arithmetic", "data.source", "threads", "version"];

impl Identity {
    /// The identity of a search.
    pub(crate) fn of(plan: &SearchPlan) -> Identity {
        let parameters = plan.space.parameters().iter();
        let searched = parameters.filter_map(|parameter| Setting::key_of(&parameter.name)).collect();
        Identity {
            data: plan.data.clone(),
            model: plan.model.clone(),
            settings: serde_json::to_value(&plan.base).expect("a configuration has a JSON form"),
            searched: Some(searched),
            search: Map::new(),
        }
    }

    /// Reads an attribute of a study; `None` if no version of this program wrote it.
    pub(crate) fn read(attribute: Option<&Value>) -> Option<Identity> {
        let mut identity: Identity = serde_json::from_value(attribute?.clone()).ok()?;
        // Settings that are newer than the record get their value in a configuration without them.
        if let Some(settings) = identity.settings.as_object_mut() {
            settings.entry("version").or_insert_with(|| TrainConfig::default().version.into());
        }
        if let Ok(config) = serde_json::from_value::<TrainConfig>(identity.settings.clone()) {
            identity.settings = serde_json::to_value(config).expect("a configuration has a JSON form");
        }
        Some(identity)
    }

    pub(crate) fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("an identity has a JSON form")
    }

    pub(crate) fn format(&self) -> Format {
        if self.searched.is_some() { Format::Current } else { Format::Legacy }
    }

    /// Whether trials of one search are trials of the other: nothing differs, and both search the same settings.
    pub(crate) fn is_same_search(&self, other: &Identity) -> bool {
        self.searched() == other.searched() && self.differences(other).is_none()
    }

    /// The differences of this search from another one, apart from the settings that either searches. Anything unknown
    /// to one of them is not compared.
    pub(crate) fn differences(&self, other: &Identity) -> Option<Differences> {
        let is_other =
            |one: &Option<String>, two: &Option<String>| one.is_some() && two.is_some() && one != two;
        let differences = Differences {
            data: is_other(&self.data, &other.data),
            model: is_other(&self.model, &other.model),
            settings: self.differing_settings(other),
        };
        (differences != Differences::default()).then_some(differences)
    }

    fn differing_settings(&self, other: &Identity) -> Vec<String> {
        let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        flatten("", &self.settings, &mut ours);
        flatten("", &other.settings, &mut theirs);
        let searched: BTreeSet<String> = self.searched().union(&other.searched()).cloned().collect();
        let differs = |key: &&String| {
            if IGNORED.contains(&key.as_str())
                || searched.contains(*key)
                || ours.get(*key) == theirs.get(*key)
            {
                return false;
            }
            // Adam has no momentum: a different optimizer is one difference, or none if it is searched.
            let name = key.split_once('.').map(|(table, _)| format!("{table}.name"));
            let is_other_table =
                name.is_some_and(|name| searched.contains(&name) || ours.get(&name) != theirs.get(&name));
            let is_in_both = ours.contains_key(*key) && theirs.contains_key(*key);
            !is_other_table || is_in_both
        };
        let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        keys.into_iter().filter(differs).cloned().collect()
    }

    /// Whether a setting is searched whose key starts with this table.
    pub(crate) fn searches(&self, table: &str) -> bool {
        self.searched().iter().any(|key| key.starts_with(table))
    }

    fn searched(&self) -> BTreeSet<String> {
        match &self.searched {
            Some(searched) => searched.clone(),
            None => {
                let is_known =
                    |distribution: &Value| distribution.as_str().and_then(Distribution::from_json).is_some();
                let names = self.search.iter().filter(|(_, distribution)| is_known(distribution));
                names.filter_map(|(name, _)| Setting::key_of(name)).collect()
            }
        }
    }
}

/// The values by their keys, those of tables as `optimizer.momentum`; missing ones are left out.
fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Null => {}
        Value::Object(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, into);
            }
        }
        value => {
            into.insert(prefix.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Parameter, Pruning, Sampler, Space};

    /// A search for these lists, with these settings instead of the defaults.
    fn plan(lists: &[&str], settings: &str) -> SearchPlan {
        let parameters = lists.iter().map(|text| Parameter::grid(text).unwrap()).collect();
        let base = TrainConfig::default().merged(&toml::from_str(settings).unwrap()).unwrap();
        SearchPlan {
            space: Space::new(parameters).unwrap(),
            sampler: Sampler::Grid,
            seed: 1,
            pruning: Pruning::Off,
            base,
            data: Some("d".into()),
            model: Some("m".into()),
        }
    }

    fn differences(one: &SearchPlan, two: &SearchPlan) -> String {
        let (one, two) = (Identity::of(one), Identity::of(two));
        // As read back from a journal.
        let one = Identity::read(Some(&one.to_json())).unwrap();
        one.differences(&two).map(|differences| differences.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_search_itself_and_the_path_of_the_data_are_no_difference() {
        let one = plan(&["lr=0.1,0.2"], "threads = 2\ndata.source = 'photos'");
        let mut two = plan(&["lr=0.3", "batch-size=8,9"], "threads = 3\ndata.source = '../photos'");
        (two.sampler, two.seed) = (Sampler::Random { trials: 1 }, 2);
        (two.pruning, two.base.version) = (Pruning::SuccessiveHalving, "later".into());
        assert_eq!(differences(&one, &two), "");
        assert!(!Identity::of(&one).is_same_search(&Identity::of(&two)));
        two.space = one.space.clone();
        assert!(Identity::of(&one).is_same_search(&Identity::of(&two)));
    }

    #[test]
    fn what_either_searches_is_not_compared() {
        let lr = |settings| plan(&["lr=0.1"], settings);
        assert_eq!(
            differences(&lr("batch_size = 8"), &lr("batch_size = 9")),
            "different settings (batch_size)"
        );
        assert_eq!(differences(&lr("batch_size = 8"), &plan(&["batch-size=8"], "lr = 5.0")), "");
        assert_eq!(
            differences(&lr("seed = 8"), &plan(&["seed=8"], "lr = 5.0\nepochs = 3")),
            "different settings (epochs)"
        );
        // A different optimizer is one difference, not one for each of its settings.
        let (sgd, adam) = ("optimizer = {name='sgd', momentum=0.5}", "optimizer.weight_decay = 0.5");
        assert_eq!(
            differences(&lr(sgd), &lr(adam)),
            "different settings (optimizer.name, optimizer.weight_decay)"
        );
        let any = plan(&["optimizer=adam,sgd"], "");
        assert_eq!(differences(&lr(sgd), &any), "");
        assert_eq!(differences(&lr(adam), &any), "different settings (optimizer.weight_decay)");
        assert_eq!(differences(&plan(&["model.dropout.p=0.1"], ""), &plan(&["model.dropout.p=0.2"], "")), "");
        assert_eq!(
            differences(&lr("model_options.width = 2"), &lr("")),
            "different settings (model_options.width)"
        );
    }

    #[test]
    fn data_and_model_are_compared_where_both_are_known() {
        let one = plan(&["lr=0.1"], "");
        let of = |data: Option<&str>, model: Option<&str>| SearchPlan {
            data: data.map(str::to_owned),
            model: model.map(str::to_owned),
            ..one.clone()
        };
        assert_eq!(differences(&one, &of(None, None)), "");
        assert_eq!(differences(&one, &of(Some("e"), Some("m"))), "different images");
        assert_eq!(differences(&one, &of(Some("e"), Some("n"))), "different images and a different model");
        let mut all = of(Some("e"), Some("n"));
        (all.base.epochs, all.base.patience) = (77, Some(3));
        assert_eq!(
            differences(&one, &all),
            "different images, a different model and different settings (epochs, patience)"
        );
    }

    #[test]
    fn a_legacy_record_is_compared_as_far_as_it_goes() {
        let mut one = plan(&["lr=0.1,0.2", "momentum=0.5"], "optimizer.name = 'sgd'\nepochs = 4");
        one.base.data.split_seed = None;
        let mut settings = serde_json::to_value(&one.base).unwrap();
        // A setting that the earlier version did not have.
        for absent in ["version", "sam", "arithmetic"] {
            settings.as_object_mut().unwrap().remove(absent).unwrap();
        }
        assert!(settings["data"].get("split_seed").is_none());
        let distributions: Map<String, Value> = one
            .space
            .parameters()
            .iter()
            .map(|parameter| (parameter.name.clone(), json!(parameter.distribution.to_json())))
            .collect();
        let legacy = json!({"search": distributions, "order": ["lr", "momentum"], "sampler": "grid", "seed": 1,
            "pruning": "off", "settings": settings});
        let legacy = Identity::read(Some(&legacy)).unwrap();
        assert_eq!(legacy.format(), Format::Legacy);
        assert!(legacy.is_same_search(&Identity::of(&one)));
        let other = plan(&["lr=0.1,0.2", "momentum=0.5"], "optimizer.name = 'sgd'\nsam = 0.5");
        let found = legacy.differences(&Identity::of(&other)).unwrap();
        assert_eq!(found.settings, ["data.split_seed", "epochs", "sam"]);
        assert_eq!(Identity::read(Some(&json!({"k": 1}))), None);
    }
}
