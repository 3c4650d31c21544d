//! Memory that a shard needs only while it runs a stage.

use std::sync::{Mutex, PoisonError};

use crate::plan::Plan;
use convscope_kernels::Buffer;
use convscope_kernels::memory::OutOfMemory;
use convscope_ops::Bound;

/// The values of one chunk and the operators' scratch space. The next shard ignores its contents.
#[derive(Default)]
pub(super) struct Workspace {
    pub(super) slots: Vec<Buffer>,
    pub(super) scratch: Buffer,
}

impl Workspace {
    fn new(plan: &Plan, bound: &[Box<dyn Bound>]) -> Result<Workspace, OutOfMemory> {
        let chunk = plan.largest_chunk();
        let scratch = bound.iter().map(|bound| bound.scratch_len(chunk)).max().unwrap_or(0);
        let slots = plan.shard_slots.iter().map(|len| len * chunk);
        let mut slots = Buffer::zeros_together(slots.chain([scratch]))?;
        let scratch = slots.pop().unwrap_or_default();
        Ok(Workspace { slots, scratch })
    }
}

/// Idle workspaces. The one returned last is lent first, since it is still in the caches.
pub(super) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    /// Enough workspaces for all shards that the current pool can run at once.
    pub(super) fn new(plan: &Plan, bound: &[Box<dyn Bound>]) -> Result<Workspaces, OutOfMemory> {
        let mut workspaces = Workspaces(Mutex::new(Vec::with_capacity(plan.shards)));
        workspaces.provide(plan, bound)?;
        Ok(workspaces)
    }

    /// Adds workspaces if the current pool has more threads than the previous one.
    pub(super) fn provide(&mut self, plan: &Plan, bound: &[Box<dyn Bound>]) -> Result<(), OutOfMemory> {
        let free = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        while free.len() < plan.shards_at_once() {
            free.push(Workspace::new(plan, bound)?);
        }
        Ok(())
    }

    /// Lends a workspace. A new one is created only for a shard that starts while another waits on the same thread.
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
