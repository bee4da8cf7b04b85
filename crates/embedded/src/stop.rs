//! Stopping a statement, planning included.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::common::DataFusionError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use query::QueryError;

/// Says to those who plan a statement that nobody waits for it any more. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// [`QueryError::Cancelled`] once it is set.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(QueryError::Cancelled("nobody waits for it".to_owned())),
            false => Ok(()),
        }
    }

    fn checked(&self) -> Result<(), DataFusionError> {
        self.check().map_err(|error| DataFusionError::External(Box::new(error)))
    }

    /// The optimizer's rules, with a look at this between them; without the one that does not ask whether a column must stay
    /// one if there are such columns (`keeps`).
    pub(crate) fn between_rules(&self, keeps: bool) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
        let stop = || Arc::new(self.clone()) as Arc<dyn OptimizerRule + Send + Sync>;
        let rules = Optimizer::new().rules.into_iter().filter(|rule| !keeps || rule.name() != "eliminate_outer_join");
        rules.flat_map(|rule| [stop(), rule]).collect()
    }

    /// The physical optimizer's rules, with a look at this between them.
    pub(crate) fn between_physical_rules(&self) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
        let stop = || Arc::new(self.clone()) as Arc<dyn PhysicalOptimizerRule + Send + Sync>;
        PhysicalOptimizer::new().rules.into_iter().flat_map(|rule| [stop(), rule]).collect()
    }
}

impl OptimizerRule for Stop {
    fn name(&self) -> &str {
        "stop"
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>, DataFusionError> {
        self.checked().map(|()| Transformed::no(plan))
    }
}

impl PhysicalOptimizerRule for Stop {
    fn name(&self) -> &str {
        "stop"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        self.checked().map(|()| plan)
    }

    fn schema_check(&self) -> bool {
        true
    }
}
