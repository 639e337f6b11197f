//! Conditions and masks in words, for people who wrote them in SQL.

use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::expr::InSubquery;
use datafusion_expr::{Expr, LogicalPlan};

use crate::principal::question_text;

/// The expression with literals and questions about the caller as SQL has them. To be read, not run.
pub(crate) fn sql_text(expr: &Expr) -> String {
    let named = expr.clone().transform_up(|expr| {
        let text = match &expr {
            Expr::Literal(value, _) => Some(literal(value)),
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let not = if *negated { "NOT " } else { "" };
                looked_up(&subquery.subquery).map(|query| format!("{expr} {not}IN ({query})"))
            }
            other => question_text(other),
        };
        // A column is printed by its name, whatever that is.
        Ok(match text {
            Some(text) => Transformed::yes(Expr::Column(Column::new_unqualified(text))),
            None => Transformed::no(expr),
        })
    });
    named.map_or_else(|_| expr.to_string(), |named| named.data.to_string())
}

/// The query of a policy's own look-up: one column of one table.
fn looked_up(plan: &LogicalPlan) -> Option<String> {
    let LogicalPlan::Projection(projection) = plan else { return None };
    let [column] = projection.expr.as_slice() else { return None };
    let (predicate, input) = match projection.input.as_ref() {
        LogicalPlan::Filter(filter) => (Some(&filter.predicate), filter.input.as_ref()),
        input => (None, input),
    };
    let LogicalPlan::TableScan(scan) = input else { return None };
    let predicate = predicate.map(|predicate| format!(" WHERE {}", sql_text(predicate)));
    let predicate = predicate.unwrap_or_default();
    Some(format!("SELECT {} FROM {}{predicate}", sql_text(column), scan.table_name))
}

fn literal(value: &ScalarValue) -> String {
    if value.is_null() {
        return "NULL".to_owned();
    }
    if value.data_type().is_numeric() || matches!(value, ScalarValue::Boolean(_)) {
        return value.to_string();
    }
    format!("'{}'", value.to_string().replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use datafusion_expr::{col, lit};

    use super::sql_text;
    use crate::principal::Question;

    #[test]
    fn a_look_up_is_shown_whole() {
        let bundle = crate::testing::load(
            "CREATE ROW POLICY p ON crm.orders AS RESTRICTIVE TO PUBLIC USING (tenant_id IN \
             (SELECT tenant_id FROM admin.tenants WHERE partner_id = principal_attr('p')));",
        );
        let table = tollgate_catalog::TableName::new("crm", "orders");
        let predicate = bundle.ok().and_then(|bundle| {
            let rules = bundle.all_rules().tables.get(&table)?;
            Some(sql_text(&rules.rows.first()?.predicate))
        });
        let expected = "tenant_id IN (SELECT admin.tenants.tenant_id FROM admin.tenants \
                        WHERE admin.tenants.partner_id = principal_attr('p'))";
        assert_eq!(predicate.as_deref(), Some(expected));
    }

    #[test]
    fn literals_and_questions_are_written_as_in_sql() {
        let null = datafusion_expr::Expr::Literal(datafusion_common::ScalarValue::Utf8(None), None);
        for (expr, text) in [
            (col("a").eq(lit("it's")), "a = 'it''s'"),
            (col("a").gt(lit(3_i64)).and(lit(true)), "a > 3 AND true"),
            (col("a").eq(null), "a = NULL"),
            (
                col("a").eq(Question::Attribute("t".to_owned()).ask(vec![])),
                "a = principal_attr('t')",
            ),
            (Question::HasRole("r".to_owned()).ask(vec![]), "has_role('r')"),
            (
                Question::AmongAttributes("ts".to_owned()).ask(vec![col("a")]),
                "a = ANY(principal_attrs('ts'))",
            ),
            (Question::Now(DataType::Date32).ask(vec![]), "current_date"),
        ] {
            assert_eq!(sql_text(&expr), text);
        }
    }
}
