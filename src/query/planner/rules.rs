//! The rules of the physical planner.

use std::sync::Arc;

use datafusion::physical_optimizer::PhysicalOptimizerRule;

/// The rules of a physical planner, in order.
pub type PhysicalRules = Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>;
