//! Exporters for results: text tables, CSV files, PNG files.
//!
//! This crate turns plain numbers into what people and programs read. It computes nothing about a network and
//! prints nothing: every function returns text or writes the one file that it was given.
//!
//! | module | what it makes |
//! |---|---|
//! | [`table`] | aligned text tables |
//! | [`number`] | `294,810`, `1.23 M`, `12.3 MB`, `1m 05s`, `93.41 %` |
//! | [`confusion`] | the confusion matrix of a classifier, as text or CSV |
//! | [`csv`] | CSV files |
//! | [`png`] | PNG files |

pub mod confusion;
pub mod csv;
mod error;
pub mod number;
pub mod png;
pub mod table;
mod whole_file;

pub use confusion::ConfusionMatrix;
pub use error::ReportError;
pub use table::{Cell, Column, Style, Table, Tone};
