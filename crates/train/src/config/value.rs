//! The values of settings: how they are read from a file and from a text, and how they are written.

use convscope_data::{Augmentation, Background, BadImages, Channels, ImageSize, Normalize, Resize};
use convscope_graph::Initializer;
use convscope_ops::Precision;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::Value;

use super::names::{OptimizerName, ScheduleName};
use super::{FeatureCache, Freeze};
use crate::class_weights::ClassWeights;
use crate::onnx::ChannelOrder;
use crate::optimizer::DecayScope;

/// A type that a setting can have.
pub trait SettingValue: Sized + Clone + PartialEq {
    /// What is inside an [`Option`]; otherwise the type itself.
    type Inner;
    /// The names that it may have, if it is one of several.
    const NAMES: &'static [&'static str] = &[];

    /// The value of a configuration file.
    ///
    /// # Errors
    /// What it must be instead, as in "a whole number".
    fn read(value: &Value) -> Result<Self, String>;

    /// Its form in a configuration file; `None` if it is left out.
    fn write(&self) -> Option<Value>;

    /// The value itself, unless it is an [`Option`] without one.
    fn inner(&self) -> Option<&Self::Inner>;

    /// The value of a text, as in a flag.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    fn parse(text: &str) -> Result<Self, String> {
        // Text that reads as a number may be a name, such as that of a folder.
        Self::read(&setting_value(text)).or_else(|wrong| match Self::read(&Value::String(text.to_owned())) {
            Ok(value) => Ok(value),
            Err(_) => Err(wrong),
        })
    }
}

/// What stands for no value, where a setting may have none.
pub(super) const NONE: &str = "none";

/// A value in a file, where none stands for no value.
pub(super) fn written_or_none<T: SettingValue>(value: T) -> Value {
    value.write().unwrap_or_else(|| NONE.into())
}

/// The value of a text: a whole number, a number, true or false, otherwise the text itself.
pub fn setting_value(text: &str) -> Value {
    let whole = text.parse().map(Value::Integer).ok();
    let number = || text.parse().map(Value::Float).ok();
    let switch = || text.parse().map(Value::Boolean).ok();
    whole.or_else(number).or_else(switch).unwrap_or_else(|| Value::String(text.to_owned()))
}

impl<T: SettingValue<Inner = T>> SettingValue for Option<T> {
    type Inner = T;
    const NAMES: &'static [&'static str] = T::NAMES;

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) if text == NONE => Ok(None),
            value => T::read(value).map(Some).map_err(|wanted| format!("{wanted}, or {NONE}")),
        }
    }

    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(T::write)
    }

    fn inner(&self) -> Option<&T> {
        self.as_ref()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text == NONE {
            Ok(None)
        } else {
            T::parse(text).map(Some).map_err(|wanted| format!("{wanted}, or {NONE}"))
        }
    }
}

/// Types of which an [`Option`] is a setting, too.
macro_rules! simple {
    ($type:ty, $read:expr, $write:expr $(, $names:expr)?) => {
        impl SettingValue for $type {
            type Inner = $type;
            $(const NAMES: &'static [&'static str] = $names;)?

            fn read(value: &Value) -> Result<Self, String> {
                let read: fn(&Value) -> Result<$type, String> = $read;
                read(value)
            }

            fn write(&self) -> Option<Value> {
                let write: fn(&$type) -> Value = $write;
                Some(write(self))
            }

            fn inner(&self) -> Option<&Self> {
                Some(self)
            }
        }
    };
}

/// Values that serde knows by their names.
macro_rules! named {
    ($($type:ty: $names:expr;)*) => {
        $(simple!($type, |value| by_name(value, $names), written, $names);)*
    };
}

/// Values that have a form as text.
macro_rules! textual {
    ($($type:ty;)*) => {
        $(simple!($type, |value| text_of(value)?.parse().map_err(|error| format!("{error}")), |value| Value::String(value.to_string()));)*
    };
}

simple!(u64, |value| whole(value), |value| integer(*value));
simple!(usize, |value| whole(value), |value| integer(*value as u64));
simple!(f64, |value| number(value), |value| Value::Float(*value));
simple!(bool, |value| value.as_bool().ok_or_else(|| "true or false".to_owned()), |value| Value::Boolean(
    *value
));
simple!(String, |value| value.as_str().map(str::to_owned).ok_or_else(|| "a text".to_owned()), |value| {
    Value::String(value.clone())
});
named! {
    BadImages: &["refuse", "skip"];
    ChannelOrder: &["rgb", "bgr"];
    ClassWeights: &["none", "balanced"];
    DecayScope: &["all", "weights"];
    Initializer: &["glorot_uniform", "he_normal", "he_normal_fan_out", "he_uniform", "small_normal", "pytorch"];
    Normalize: &["unit", "standard", "imagenet", "tf"];
    OptimizerName: &["adam", "adamw", "sgd", "muon"];
    Precision: &["f32", "bf16"];
    ScheduleName: &["constant", "step", "cosine", "one-cycle"];
}
textual! {
    Augmentation;
    Background;
    FeatureCache;
    Freeze;
    Resize;
}

simple!(
    Channels,
    |value| text_of(value)?.parse().map_err(|_| "1 (grey) or 3 (colour)".to_owned()),
    |value| Value::Integer(value.count() as i64)
);
simple!(
    ImageSize,
    |value| text_of(value)?
        .parse()
        .map_err(|_| "a side in pixels such as 64, or width x height such as \"96x64\"".to_owned()),
    |size| match size {
        ImageSize { height, width } if height == width => Value::Integer(*width as i64),
        size => Value::String(size.to_string()),
    }
);

/// Lists, in a text separated by commas.
macro_rules! lists {
    ($($item:ty: $what:literal;)*) => {
        $(impl SettingValue for Vec<$item> {
            type Inner = Vec<$item>;

            fn read(value: &Value) -> Result<Self, String> {
                let items = value.as_array().ok_or_else(|| $what.to_owned())?;
                items.iter().map(<$item>::read).collect::<Result<_, _>>().map_err(|_| $what.to_owned())
            }

            fn write(&self) -> Option<Value> {
                Some(Value::Array(self.iter().filter_map(<$item>::write).collect()))
            }

            fn inner(&self) -> Option<&Self> {
                Some(self)
            }

            fn parse(text: &str) -> Result<Self, String> {
                text.split(',').map(|item| <$item>::parse(item.trim())).collect::<Result<_, _>>().map_err(|_| $what.to_owned())
            }
        })*
    };
}

lists! {
    f64: "a list of numbers";
    String: "a list of texts";
}

impl SettingValue for [f64; 2] {
    type Inner = [f64; 2];

    fn read(value: &Value) -> Result<Self, String> {
        Vec::<f64>::read(value)
            .ok()
            .and_then(|list| list.try_into().ok())
            .ok_or_else(|| "two numbers".to_owned())
    }

    fn write(&self) -> Option<Value> {
        self.to_vec().write()
    }

    fn inner(&self) -> Option<&Self> {
        Some(self)
    }

    fn parse(text: &str) -> Result<Self, String> {
        Vec::<f64>::parse(text)
            .ok()
            .and_then(|list| list.try_into().ok())
            .ok_or_else(|| "two numbers".to_owned())
    }
}

/// Reads a value for serde, which adds the place in the file.
pub(super) fn deserialize<'de, T: SettingValue, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let value = Option::<Value>::deserialize(from)?;
    value.map(|value| T::read(&value).map_err(|wanted| D::Error::custom(wrong(&value, &wanted)))).transpose()
}

/// Writes a value for serde.
pub(super) fn serialize<T: SettingValue, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => written_or_none(value.clone()).serialize(to),
        None => to.serialize_none(),
    }
}

/// `"many" is not a whole number`: a value, and what must be there.
fn wrong(value: &Value, wanted: &str) -> String {
    format!("{value} cannot be used; it must be {wanted}")
}

fn whole<T: TryFrom<i64>>(value: &Value) -> Result<T, String> {
    // A search over an even range writes whole numbers like this.
    let exact = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
    let whole = value.as_integer().or_else(|| value.as_float().and_then(exact));
    whole.and_then(|whole| T::try_from(whole).ok()).ok_or_else(|| "a whole number of at least 0".to_owned())
}

/// TOML has no larger integers; no setting accepts one, and its error shows this text.
fn integer(value: u64) -> Value {
    i64::try_from(value).map_or_else(|_| Value::String(value.to_string()), Value::Integer)
}

fn number(value: &Value) -> Result<f64, String> {
    let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    number.ok_or_else(|| "a number".to_owned())
}

fn by_name<T: serde::de::DeserializeOwned>(value: &Value, names: &[&str]) -> Result<T, String> {
    value.clone().try_into().map_err(|_| format!("one of {}", names.join(", ")))
}

fn written<T: Serialize>(value: &T) -> Value {
    Value::try_from(value).expect("a name has a TOML form")
}

fn text_of(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        _ => Err("a text".to_owned()),
    }
}
