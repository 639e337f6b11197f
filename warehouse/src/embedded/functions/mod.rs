//! The functions that the engine has to offer, by the engine's names.
//!
//! Which of them exist for users is the rewriter's registry's to say. Where the engine's function of
//! a name does something else than PostgreSQL's, ours shadows it.

mod date_part;
mod moment;
mod number;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::config::ConfigOptions;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use tollgate_rewriter::UdfSource;

/// The engine's functions.
pub(crate) struct Functions {
    scalars: HashMap<String, Arc<ScalarUDF>>,
    aggregates: HashMap<String, Arc<AggregateUDF>>,
    windows: HashMap<String, Arc<WindowUDF>>,
}

impl Functions {
    /// The engine's own functions; ours shadow those of the same name.
    pub(crate) fn new() -> Self {
        // `now()` and its like yield timestamps with a time zone, as PostgreSQL's.
        let mut config = ConfigOptions::new();
        config.execution.time_zone = Some("+00:00".to_owned());
        let mut scalars = HashMap::new();
        for udf in SessionStateDefaults::default_scalar_functions() {
            let udf = udf.inner().with_updated_config(&config).map_or(udf, Arc::new);
            add(&mut scalars, udf.name(), udf.aliases(), &udf);
        }
        let to_timestamp = Arc::new(ScalarUDF::from(text::Patterned::new(text::Kind::Timestamp)));
        for udf in [
            Arc::new(ScalarUDF::from(date_part::DatePart::new())),
            Arc::new(ScalarUDF::from(text::Patterned::new(text::Kind::Char))),
            Arc::new(ScalarUDF::from(text::Patterned::new(text::Kind::Date))),
            Arc::clone(&to_timestamp),
        ] {
            add(&mut scalars, udf.name(), udf.aliases(), &udf);
        }
        // The engine's takes microseconds; PostgreSQL has seconds only.
        scalars.insert("to_timestamp_micros".to_owned(), to_timestamp);
        let mut aggregates = HashMap::new();
        for udf in SessionStateDefaults::default_aggregate_functions() {
            add(&mut aggregates, udf.name(), udf.aliases(), &udf);
        }
        let mut windows = HashMap::new();
        for udf in SessionStateDefaults::default_window_functions() {
            add(&mut windows, udf.name(), udf.aliases(), &udf);
        }
        Self { scalars, aggregates, windows }
    }
}

fn add<T>(all: &mut HashMap<String, Arc<T>>, name: &str, aliases: &[String], udf: &Arc<T>) {
    for name in aliases.iter().map(String::as_str).chain([name]) {
        all.insert(name.to_owned(), Arc::clone(udf));
    }
}

impl UdfSource for Functions {
    fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalars.get(name).map(Arc::clone)
    }

    fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates.get(name).map(Arc::clone)
    }

    fn window(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.windows.get(name).map(Arc::clone)
    }

    fn expr_planners(&self) -> Vec<Arc<dyn ExprPlanner>> {
        let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(date_part::Extract::new())];
        planners.extend(SessionStateDefaults::default_expr_planners());
        planners
    }
}

#[cfg(test)]
mod tests;
