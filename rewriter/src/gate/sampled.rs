//! The gate over samples of tables. Who may take which is decided when their relations are secured.

use datafusion_sql::sqlparser::ast::{ObjectName, TableAlias, TableSampleKind};
use tollgate_catalog::{Error, TableName};

use super::scope::Scope;
use super::table::plain_alias;
use super::{Gate, parts, quoted_name, refuse_if};
use crate::sample::{Sample, Sampled};

impl Gate<'_> {
    /// What is asked for, if it is a sample.
    pub(super) fn sample(&self, kind: Option<TableSampleKind>) -> Result<Option<Sample>, Error> {
        let Some(kind) = kind else { return Ok(None) };
        let sample = match kind {
            TableSampleKind::BeforeTableAlias(sample)
            | TableSampleKind::AfterTableAlias(sample) => sample,
        };
        Sample::read(&sample, self.dialect).map(Some)
    }

    /// A sample of a table: a relation of its own, under a name that says what it is.
    pub(super) fn sampled(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        sample: Sample,
    ) -> Result<Scope, Error> {
        let folded = parts(name)?;
        if let [single] = folded.as_slice() {
            let cte = self.ctes.iter().any(|cte| cte.user == *single);
            refuse_if(cte, "TABLESAMPLE of a common table expression")?;
        }
        let table = self.relation(&folded)?;
        refuse_if(
            !self.found.tables.contains_key(&table.name),
            "TABLESAMPLE of a relation of the system",
        )?;
        let schema = self.make_up(&format!("{} {sample}", table.name.schema));
        let own = TableName::new(schema, table.name.table.clone());
        *name = quoted_name([own.schema.as_str(), own.table.as_str()]);
        alias.get_or_insert_with(|| plain_alias(&table.name.table));
        self.found.samples.insert(own, Sampled { table: table.name, sample });
        self.aliased(alias, table.columns)
    }
}
