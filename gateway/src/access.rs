//! `EXPLAIN ACCESS`: what users see of the relations that their query names, in their own words: no
//! policy, no condition, no name that doesn't exist for them. Members of roles that may read the
//! policies are told those instead, and what would run.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_policy::explain::{Explanation, Rights, explain};
use tollgate_policy::limits::Limit;
use tollgate_policy::{Aggregation, PolicyRef, Predicates, SecuredColumn, SecuredTable};
use tollgate_rewriter::OutputColumn;

use crate::pipeline::{Caller, Explained, Gateway, Statement};
use crate::sight::Named;
use crate::state::circumstances;

/// The columns of the answer.
pub(crate) fn access_columns() -> Arc<[OutputColumn]> {
    let columns = [("relation", true), ("column", true), ("access", false)];
    let columns = columns.map(|(name, nullable)| OutputColumn {
        name: name.to_owned(),
        data_type: DataType::Utf8,
        nullable,
        table_column: None,
        own: false,
    });
    Arc::from(columns)
}

impl Gateway {
    /// For each relation of a query a line about its rows and one for each of its columns; the last
    /// ones are about limits. Refused
    /// as the query itself would be, and recorded as a statement of its own.
    pub(crate) async fn access(
        &self,
        caller: &Caller<'_>,
        statement: &Statement,
        hints: &[Option<DataType>],
    ) -> Result<RecordBatch, Error> {
        let Explained { prepared, secured } = self.explain(caller, statement, hints).await?;
        let (state, circumstances) = (self.state(), circumstances(caller.principal)?);
        if !prepared.is_under(state.bundle.hash(), state.snapshot.version()) {
            return Err(Error::new(
                ErrorKind::Internal,
                "the policies changed while the statement was explained",
            )
            .with_hint("send it again"));
        }
        let standing = state.standing(caller.principal, &circumstances)?;
        let reads =
            standing.active().iter().any(|role| self.settings.policy_readers.contains(role));
        let mut lines = Lines::default();
        for (name, _) in prepared.visible() {
            // Decided like the statement was, so that both tell the same.
            let table = state.snapshot.table(name).ok_or_else(|| defect(name))?;
            if reads {
                let (bundle, rights) = (&state.bundle, Rights::Caller);
                let why = explain(bundle, caller.principal, &circumstances, table, rights);
                lines.explain(why);
                continue;
            }
            let named = Named([Arc::clone(table)]);
            let permit =
                tollgate_policy::decide(&state.bundle, caller.principal, &circumstances, named);
            let tables = permit.map_err(|_| defect(name))?.into_parts().tables;
            tables.iter().for_each(|secured| lines.add(secured));
        }
        for bound in state.bundle.limits_of(caller.principal, &standing).bound() {
            lines.push(None, None, limit(&bound.limit));
        }
        lines.push(
            None,
            None,
            match caller.timeout {
                Some(limit) => format!("a statement ends after {limit:?}"),
                None => "a statement may take any time".to_owned(),
            },
        );
        if reads {
            if let Some(warehouse) = secured.engine().warehouse() {
                lines.push(None, None, format!("runs at: warehouse \"{warehouse}\""));
            }
            for line in secured.secured_sql().lines() {
                lines.push(None, None, format!("runs: {line}"));
            }
        }
        lines.batch()
    }
}

/// Without the operator's folders.
fn shorten(policy: &mut PolicyRef) {
    if let Some(file) = Path::new(&policy.file).file_name() {
        policy.file = file.to_string_lossy().into_owned();
    }
}

/// A limit, where it is written (without the operator's folders), and what it allows.
fn limit(limit: &Limit) -> String {
    let mut policy = limit.policy.clone();
    shorten(&mut policy);
    let PolicyRef { file, line, name, .. } = policy;
    format!("limit \"{name}\" at {file}:{line}: {}", limit.says().join("; "))
}

fn defect(name: &tollgate_catalog::TableName) -> Error {
    Error::internal(format!("{name} was permitted, and then it was not"))
}

#[derive(Default)]
struct Lines {
    relations: Vec<Option<String>>,
    columns: Vec<Option<String>>,
    access: Vec<String>,
}

impl Lines {
    fn add(&mut self, secured: &SecuredTable) {
        let name = Some(secured.table().name.to_string());
        let rows = if filters(secured) { "rows are filtered" } else { "all rows" };
        self.push(name.clone(), None, rows.to_owned());
        // Of how many entities, its policy says to those who may read policies.
        if secured.aggregation().is_some() {
            self.push(name.clone(), None, "aggregates only".to_owned());
        } else if secured.reads().iter().any(aggregates) {
            self.push(name.clone(), None, "aggregates only, of some of what it reads".to_owned());
        }
        let below = secured.reads().iter().any(masks);
        for column in secured.columns() {
            if let Some(raw) = secured.table().columns.get(column.index) {
                let mut access = shown(column, below).to_owned();
                if let Some(rule) = secured.aggregation() {
                    let use_for = in_aggregates(rule, column.index, &raw.name);
                    access = if column.mask.is_some() {
                        format!("{access}; {use_for}")
                    } else {
                        use_for
                    };
                }
                self.push(name.clone(), Some(raw.name.clone()), access);
            }
        }
    }

    /// For who may read the policies: which of them decide, and what they hide.
    fn explain(&mut self, mut why: Explanation) {
        let name = Some(why.table.clone());
        self.push(name.clone(), None, format!("rows: {}", why.rows()));
        for row in &mut why.row_policies {
            shorten(&mut row.policy);
            self.push(name.clone(), None, row.says());
        }
        for rule in &mut why.aggregation_policies {
            shorten(&mut rule.policy);
            self.push(name.clone(), None, rule.says());
        }
        for column in &mut why.columns {
            column.grants.iter_mut().chain(&mut column.denials).for_each(shorten);
            self.push(name.clone(), Some(column.name.clone()), column.says(false));
            for mask in &mut column.masks {
                shorten(&mut mask.policy);
                self.push(name.clone(), Some(column.name.clone()), mask.says());
            }
        }
    }

    fn push(&mut self, relation: Option<String>, column: Option<String>, access: String) {
        self.relations.push(relation);
        self.columns.push(column);
        self.access.push(access);
    }

    fn batch(self) -> Result<RecordBatch, Error> {
        let fields: Vec<_> = access_columns()
            .iter()
            .map(|column| Field::new(&column.name, DataType::Utf8, column.nullable))
            .collect();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(self.relations)),
            Arc::new(StringArray::from(self.columns)),
            Arc::new(StringArray::from(self.access)),
        ];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(Error::internal)
    }
}

/// Whether rows may be left out, of the relation itself or of what a view reads.
fn filters(secured: &SecuredTable) -> bool {
    let all =
        |predicate: &Expr| matches!(predicate, Expr::Literal(ScalarValue::Boolean(Some(true)), _));
    secured.row_predicate().is_some_and(|predicate| !all(predicate))
        || secured.reads().iter().any(filters)
}

/// Whether a view reads a table that answers in aggregates only.
fn aggregates(secured: &SecuredTable) -> bool {
    secured.aggregation().is_some() || secured.reads().iter().any(aggregates)
}

/// What a statement may do with a visible column of a table that answers in aggregates only.
fn in_aggregates(rule: &Aggregation, index: usize, name: &str) -> String {
    let dimensions = rule.dimensions.iter().filter(|dimension| dimension.column == index);
    let groups: Vec<_> = dimensions
        .map(|dimension| match &dimension.bucket {
            None => name.to_owned(),
            Some(unit) => format!("date_trunc('{unit}', {name})"),
        })
        .collect();
    match (groups.as_slice(), rule.measures.contains(&index)) {
        ([], true) => "for sums and averages".to_owned(),
        ([], false) => "not shown itself".to_owned(),
        (groups, _) => format!("for groups and conditions: {}", groups.join(", ")),
    }
}

/// Whether any value that a view reads is masked.
fn masks(secured: &SecuredTable) -> bool {
    secured.columns().iter().any(|column| column.mask.is_some())
        || secured.reads().iter().any(masks)
}

fn shown(column: &SecuredColumn, below: bool) -> &'static str {
    match column.mask.as_ref().map(|mask| mask.predicates) {
        None if below => "shown, may come from masked values",
        None => "shown",
        Some(Predicates::Masked) => "masked",
        Some(Predicates::Equality) => "masked, may be compared with = only",
        Some(Predicates::Deny) => "masked, may not be tested",
    }
}

#[cfg(test)]
mod tests {
    use tollgate_policy::{Aggregation, Dimension};

    use super::in_aggregates;

    #[test]
    fn columns_of_aggregates_say_what_they_are_for() {
        let by =
            |column, bucket: Option<&str>| Dimension { column, bucket: bucket.map(str::to_owned) };
        let rule = Aggregation {
            least: 5,
            dominance: 50,
            entity: 0,
            dimensions: vec![by(1, None), by(2, Some("month")), by(2, Some("year"))],
            measures: vec![3],
            joins: Vec::new(),
        };
        for (index, says) in [
            (0, "not shown itself"),
            (1, "for groups and conditions: c"),
            (2, "for groups and conditions: date_trunc('month', c), date_trunc('year', c)"),
            (3, "for sums and averages"),
            (4, "not shown itself"),
        ] {
            assert_eq!(in_aggregates(&rule, index, "c"), says);
        }
    }
}
