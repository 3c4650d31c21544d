//! One file per command: its arguments, and how it computes the result.

pub(crate) mod bench;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod lr_find;
pub(crate) mod op;
pub(crate) mod plan;
pub(crate) mod predict;
pub(crate) mod report;
pub(crate) mod settings;
pub(crate) mod summary;
pub(crate) mod train;
pub(crate) mod tune;
pub(crate) mod verify;
