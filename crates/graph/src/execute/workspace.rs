//! Memory that only lasts while a lane runs a stage.

use std::sync::{Mutex, PoisonError};

use crate::plan::Plan;
use convscope_kernels::Buffer;
use convscope_kernels::memory::OutOfMemory;
use convscope_ops::Bound;

/// The values of one chunk and the working space of the operators. What stands in it means nothing to the next lane.
#[derive(Default)]
pub(super) struct Workspace {
    pub(super) slots: Vec<Buffer>,
    pub(super) scratch: Buffer,
}

impl Workspace {
    fn new(plan: &Plan, bound: &[Box<dyn Bound>]) -> Result<Workspace, OutOfMemory> {
        let chunk = plan.largest_chunk();
        let scratch = bound.iter().map(|bound| bound.scratch_len(chunk)).max().unwrap_or(0);
        let slots = plan.lane_slots.iter().map(|len| len * chunk);
        let mut slots = Buffer::zeros_together(slots.chain([scratch]))?;
        let scratch = slots.pop().unwrap_or_default();
        Ok(Workspace { slots, scratch })
    }
}

/// Workspaces that no lane uses. The last one that came back is lent first: its values are in the caches.
pub(super) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    /// Enough for all lanes that the threads of the current pool can run at once.
    pub(super) fn new(plan: &Plan, bound: &[Box<dyn Bound>]) -> Result<Workspaces, OutOfMemory> {
        let mut workspaces = Workspaces(Mutex::new(Vec::with_capacity(plan.lanes)));
        workspaces.provide(plan, bound)?;
        Ok(workspaces)
    }

    /// Makes more where the current pool has more threads than the one before.
    pub(super) fn provide(&mut self, plan: &Plan, bound: &[Box<dyn Bound>]) -> Result<(), OutOfMemory> {
        let free = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        while free.len() < plan.lanes_at_once() {
            free.push(Workspace::new(plan, bound)?);
        }
        Ok(())
    }

    /// Lends one. A new one is made only for a lane that begins while another waits on its thread.
    pub(super) fn lend(
        &self,
        plan: &Plan,
        bound: &[Box<dyn Bound>],
        run: impl FnOnce(&mut Workspace),
    ) -> Result<(), OutOfMemory> {
        let free = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = free().pop();
        let mut workspace = one.map_or_else(|| Workspace::new(plan, bound), Ok)?;
        run(&mut workspace);
        free().push(workspace);
        Ok(())
    }
}
