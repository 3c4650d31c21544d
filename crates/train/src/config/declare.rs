//! How settings are declared: once each, and everything that is known about one follows from its declaration.

use super::value::SettingValue;

/// A setting of training, as programs show it and people name it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in a configuration file, with that of its table: `optimizer.weight_decay`.
    pub key: &'static str,
    /// Its flag in `convscope train`; settings without one are only in files.
    pub flag: Option<Flag>,
    /// What it does.
    pub help: &'static str,
    /// Which values it accepts, in words; empty if every value of its type.
    pub accepted: &'static str,
    /// The names that it can have, if it is one of several.
    pub names: &'static [&'static str],
    /// Its default as text.
    pub default: fn() -> String,
    /// A text as the value that a file has.
    pub(super) parse: fn(&str) -> Result<toml::Value, String>,
    /// A value of TOML as the value that a file has.
    pub(super) read: fn(&toml::Value) -> Result<toml::Value, String>,
}

/// How a setting is given in a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its name if that is not the last part of the key with dashes.
    own_name: Option<&'static str>,
    /// The part of the help that has it.
    pub group: Group,
    /// What follows it.
    pub form: Form,
}

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A value, which help calls this: `--lr RATE`.
    Value(&'static str),
    /// Nothing: `--name` stands for the first value, `--no-name` for the second.
    Switch(&'static str, &'static str),
}

/// A part of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The images.
    Data,
    /// The network.
    Model,
    /// What is not trained.
    FineTuning,
    /// How it is trained.
    Training,
}

impl Setting {
    /// The flag without its dashes: `weight-decay`.
    pub fn flag_name(&self) -> Option<String> {
        let last = self.key.rsplit('.').next().unwrap_or(self.key);
        self.flag.map(|flag| flag.own_name.map_or_else(|| last.replace('_', "-"), str::to_owned))
    }
}

impl Group {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Group::Data => "Data",
            Group::Model => "Model",
            Group::FineTuning => "Fine-tuning",
            Group::Training => "Training",
        }
    }
}

impl Flag {
    /// The same flag with a name of its own.
    pub(super) const fn named(self, name: &'static str) -> Flag {
        Flag { own_name: Some(name), ..self }
    }
}

/// A flag with a value.
pub(super) const fn value(group: Group, name: &'static str) -> Flag {
    Flag { own_name: None, group, form: Form::Value(name) }
}

/// A flag for true and false.
pub(super) const fn switch(group: Group) -> Flag {
    switch_between(group, "true", "false")
}

/// A flag for one of two values.
pub(super) const fn switch_between(group: Group, on: &'static str, off: &'static str) -> Flag {
    Flag { own_name: None, group, form: Form::Switch(on, off) }
}

/// Whether nothing is given.
pub(super) fn is_empty<T: Default + PartialEq>(given: &T) -> bool {
    *given == T::default()
}

/// A setting as text in help.
pub(super) fn shown<T: SettingValue>(value: &T) -> String {
    value.write().map_or_else(|| super::value::NONE.to_owned(), |value| as_typed(&value))
}

/// A value as one would type it.
pub(super) fn as_typed(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) if text.trim().is_empty() => "empty".to_owned(),
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Array(items) if items.is_empty() => super::value::NONE.to_owned(),
        toml::Value::Array(items) => items.iter().map(as_typed).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Declares settings: a struct in which each has a value, one in which each may be missing, and the table `SETTINGS` of the latter.
///
/// A setting is `name: Type = default, flag, accepted;` after what it does. `accepted` is `any` or a pair of a condition and words.
/// `also` has fields that are not settings themselves: `name: Type = default, type where it may be missing;`.
macro_rules! settings {
    (
        $(#[$doc:meta])* pub struct $config:ident;
        $(#[$partial_doc:meta])* pub struct $partial:ident in $table:literal;
        $( $(#[doc = $help:literal])+ $field:ident: $type:ty = $default:expr, $flag:expr, $accepted:tt; )+
        $( also { $( $(#[doc = $also_doc:literal])+ $also:ident: $also_type:ty = $also_default:expr, $also_partial:ty; )+ } )?
    ) => {
        $(#[$doc])*
        pub struct $config {
            $($( $(#[doc = $also_doc])+ pub $also: $also_type, )+)?
            $( $(#[doc = $help])+ #[doc = concat!("\n\nDefault: `", stringify!($default), "`.")] pub $field: $type, )+
        }

        impl Default for $config {
            fn default() -> Self {
                Self { $( $field: $default, )+ $($( $also: $also_default, )+)? }
            }
        }

        impl $config {
            /// Takes over the settings that are given.
            pub(super) fn set(&mut self, given: &$partial) {
                $( if let Some(value) = &given.$field { self.$field = value.clone(); } )+
            }

            /// All settings as given ones, but for those without a value.
            pub(super) fn give(&self, to: &mut $partial) {
                $( to.$field = SettingValue::write(&self.$field).map(|_| self.$field.clone()); )+
            }
        }

        settings! {
            $(#[$partial_doc])* pub struct $partial in $table;
            $( $(#[doc = $help])+ $field: $type = $crate::config::declare::shown::<$type>(&$default), $flag, $accepted; )+
            $( also { $( $(#[doc = $also_doc])+ $also: $also_partial; )+ } )?
        }
    };
    (
        $(#[$doc:meta])* pub struct $partial:ident in $table:literal;
        $( $(#[doc = $help:literal])+ $field:ident: $type:ty = $default:expr, $flag:expr, $accepted:tt; )+
        $( also { $( $(#[doc = $also_doc:literal])+ $also:ident: $also_type:ty; )+ } )?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $partial {
            $(
                $(#[doc = $help])+
                #[serde(with = "crate::config::value", skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )+
            $($(
                $(#[doc = $also_doc])+
                #[serde(skip_serializing_if = "crate::config::declare::is_empty")]
                pub $also: $also_type,
            )+)?
        }

        impl $partial {
            /// The settings of this table.
            pub(crate) const SETTINGS: &'static [Setting] = &[$(
                Setting {
                    key: concat!($table, stringify!($field)),
                    flag: $flag,
                    help: concat!($($help, "\n"),+),
                    accepted: settings!(@words $accepted),
                    names: <$type as SettingValue>::NAMES,
                    default: || $default.to_string(),
                    parse: |text| <$type as SettingValue>::parse(text).map($crate::config::value::written_or_none),
                    read: |value| <$type as SettingValue>::read(value).map($crate::config::value::written_or_none),
                },
            )+];

            /// One error for each given value that is not accepted.
            pub(crate) fn problems(&self) -> Vec<$crate::TrainError> {
                let mut problems = Vec::new();
                $(
                    if let Some(value) = self.$field.as_ref().and_then(SettingValue::inner) {
                        settings!(@check $accepted, problems, value, concat!($table, stringify!($field)), $type);
                    }
                )+
                problems
            }
        }
    };
    (@words any) => { "" };
    (@words ($fits:expr, $words:literal)) => { $words };
    (@check any, $problems:ident, $value:ident, $key:expr, $type:ty) => { let _ = $value; };
    (@check ($fits:expr, $words:literal), $problems:ident, $value:ident, $key:expr, $type:ty) => {
        let fits: fn(&<$type as SettingValue>::Inner) -> bool = $fits;
        if !fits($value) {
            let value = $crate::config::declare::shown($value);
            $problems.push($crate::TrainError::InvalidValue { field: $key, value, accepted: $words });
        }
    };
}

pub(super) use settings;
