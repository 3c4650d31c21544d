//! Search over training settings: which ones to try, trials in separate processes, and a journal that Optuna can read.
//!
//! - [`space`]: parameters and the values to try;
//! - [`sampler`]: the choice of the next point: a grid, random draws, TPE; [`prune`]: ending bad trials early;
//! - [`study`]: the trials, in a journal that several processes share; [`trial`]: one of them;
//! - [`runner`]: works on a study by training in separate processes;
//! - [`importance()`]: how much each parameter matters.
//!
//! ```
//! use convscope_tune::{Parameter, Sampler, Space};
//! let space = Space::new(vec![Parameter::grid("lr=0.1,0.01")?, Parameter::range("epochs=2..4")?])?;
//! assert_eq!(Sampler::Grid.planned(&space), 6);
//! let point = Sampler::Grid.suggest(&space, 0, 0, &[]).unwrap();
//! assert_eq!(space.describe(&point), "lr=0.1 epochs=2");
//! # Ok::<(), convscope_tune::TuneError>(())
//! ```

mod differences;
mod distribution;
mod error;
mod identity;
pub mod importance;
mod journal;
mod opening;
mod owner;
mod plan;
pub mod prune;
pub mod runner;
pub mod sampler;
pub mod space;
pub mod study;
pub mod trial;
mod value;

pub use differences::Differences;
pub use distribution::{Distribution, Scale};
pub use error::TuneError;
pub use identity::Format;
pub use importance::{Importance, importance};
pub use plan::{Pruning, SearchPlan};
pub use sampler::{Sampler, TpeSettings};
pub use space::{Parameter, Space};
pub use study::{Claim, Standing, Study};
pub use trial::{Trial, TrialState, best, ranked};
pub use value::Value;
