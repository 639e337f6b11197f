//! Output names as PostgreSQL gives them (`FigureColname` in `parse_target.c`).

use datafusion_sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArguments, SelectItem, SetExpr,
};

/// The name for an output column that has no alias.
pub fn output_name(expr: &Expr) -> String {
    match strong(expr) {
        Name::Strong(name) | Name::Weak(name) => name,
        Name::None => "?column?".to_owned(),
    }
}

/// How much a name says: a cast's type name gives way to a name from inside.
enum Name {
    Strong(String),
    Weak(String),
    None,
}

fn fold(ident: &datafusion_sql::sqlparser::ast::Ident) -> String {
    tollgate_catalog::id::fold(&ident.value, ident.quote_style.is_some())
}

fn strong(expr: &Expr) -> Name {
    match expr {
        Expr::Identifier(ident) => Name::Strong(fold(ident)),
        Expr::CompoundIdentifier(parts) => {
            parts.last().map_or(Name::None, |ident| Name::Strong(fold(ident)))
        }
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => strong(inner),
        Expr::CompoundFieldAccess { root, .. } => strong(root),
        Expr::Cast { expr, data_type, kind, .. } => match kind {
            CastKind::Cast | CastKind::DoubleColon | CastKind::TryCast | CastKind::SafeCast => {
                match strong(expr) {
                    Name::Strong(name) => Name::Strong(name),
                    Name::Weak(_) | Name::None => Name::Weak(type_name(data_type)),
                }
            }
        },
        Expr::TypedString(typed) => Name::Weak(type_name(&typed.data_type)),
        Expr::Interval(_) => Name::Weak("interval".to_owned()),
        Expr::Function(function) => function_name(function),
        Expr::Case { else_result, .. } => match else_result.as_deref().map(strong) {
            Some(Name::Strong(name)) => Name::Strong(name),
            Some(Name::Weak(_) | Name::None) | None => Name::Weak("case".to_owned()),
        },
        Expr::Exists { .. } => Name::Strong("exists".to_owned()),
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.first() {
                Some(SelectItem::ExprWithAlias { alias, .. }) => Name::Strong(fold(alias)),
                Some(SelectItem::UnnamedExpr(expr)) => strong(expr),
                Some(
                    SelectItem::ExprWithAliases { .. }
                    | SelectItem::QualifiedWildcard(..)
                    | SelectItem::Wildcard(_),
                )
                | None => Name::None,
            },
            _ => Name::None,
        },
        Expr::Array(_) => Name::Strong("array".to_owned()),
        Expr::Extract { .. } => Name::Strong("extract".to_owned()),
        Expr::Ceil { .. } => Name::Strong("ceil".to_owned()),
        Expr::Floor { .. } => Name::Strong("floor".to_owned()),
        Expr::Position { .. } => Name::Strong("position".to_owned()),
        Expr::Substring { .. } => Name::Strong("substring".to_owned()),
        Expr::Trim { trim_where, .. } => Name::Strong(
            match trim_where {
                Some(datafusion_sql::sqlparser::ast::TrimWhereField::Leading) => "ltrim",
                Some(datafusion_sql::sqlparser::ast::TrimWhereField::Trailing) => "rtrim",
                Some(datafusion_sql::sqlparser::ast::TrimWhereField::Both) | None => "btrim",
            }
            .to_owned(),
        ),
        Expr::Overlay { .. } => Name::Strong("overlay".to_owned()),
        Expr::AtTimeZone { .. } => Name::Strong("timezone".to_owned()),
        Expr::Tuple(_) => Name::Strong("row".to_owned()),
        // Everything else is an operator or a literal. A name decides nothing about access, so a
        // new variant may fall here.
        _ => Name::None,
    }
}

fn function_name(function: &Function) -> Name {
    match function.name.0.last().and_then(|part| part.as_ident()) {
        Some(ident) => {
            let name = fold(ident);
            if matches!(function.args, FunctionArguments::Subquery(_)) && name == "array" {
                return Name::Strong("array".to_owned());
            }
            Name::Strong(name)
        }
        None => Name::None,
    }
}

/// The catalog's name of a type, as a cast's output is called.
fn type_name(data_type: &DataType) -> String {
    let text = data_type.to_string().to_ascii_lowercase();
    let base = text.split('(').next().unwrap_or("").trim();
    match base {
        "int" | "integer" | "int4" => "int4",
        "bigint" | "int8" => "int8",
        "smallint" | "int2" => "int2",
        "real" | "float4" => "float4",
        "double precision" | "float8" | "float" | "double" => "float8",
        "decimal" | "dec" | "numeric" => "numeric",
        "boolean" | "bool" => "bool",
        "character varying" | "varchar" | "char varying" => "varchar",
        "character" | "char" => "bpchar",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        other => other,
    }
    .to_owned()
}
