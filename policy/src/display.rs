//! Conditions and masks in words, for people who wrote them in SQL.

use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::Expr;

use crate::principal::question_text;

/// The expression with literals and questions about the caller as SQL has them. To be read, not run.
pub(crate) fn sql_text(expr: &Expr) -> String {
    let named = expr.clone().transform_up(|expr| {
        let text = match &expr {
            Expr::Literal(value, _) => Some(literal(value)),
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
