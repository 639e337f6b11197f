//! Tests of the module beside.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use tollgate_catalog::{Storage, TableName};

use super::{discover, discover_all};

fn parquet(path: &Path, schema: Schema, columns: Vec<ArrayRef>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn ids(path: &Path, values: Vec<i64>) {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
    parquet(path, schema, vec![Arc::new(Int64Array::from(values))]);
}

fn text(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn files_and_folders_are_tables() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    ids(&root.join("Shop/Items.parquet"), vec![1, 2]);
    ids(&root.join("shop2/parts/1.parquet"), vec![1]);
    ids(&root.join("shop2/parts/2.parquet"), vec![2, 3]);
    text(&root.join("shop2/rates.csv"), "day,rate,note\n2024-01-31,1.5,\n2024-02-01,2,x\n");
    text(&root.join("shop2/.hidden.csv"), "a\n1\n");
    text(&root.join("README.md"), "not data");
    let tables = discover(root).unwrap();
    let names: Vec<_> = tables.iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["shop.items", "shop2.parts", "shop2.rates"]);
    assert_eq!(tables[0].row_count, Some(2));
    assert!(!tables[0].columns[0].nullable);
    assert_eq!(tables[1].row_count, Some(3));
    assert!(matches!(&tables[1].storage, Storage::Parquet(files) if files.len() == 2));
    let types: Vec<_> = tables[2].columns.iter().map(|column| column.data_type.clone()).collect();
    assert_eq!(types, [DataType::Date32, DataType::Float64, DataType::Utf8]);
    assert_eq!(tables[2].row_count, Some(2));
    assert!(tables[2].bytes.unwrap() > 0);
}

#[test]
fn metadata_describes_columns_and_keys() {
    let folder = tempfile::tempdir().unwrap();
    let comment = HashMap::from([("comment".to_owned(), "who buys".to_owned())]);
    let schema = Schema::new_with_metadata(
        vec![
            Field::new("id", DataType::Int64, false),
            Field::new("name", DataType::Utf8, true).with_metadata(comment),
        ],
        HashMap::from([
            ("tollgate.primary_key".to_owned(), "id, name".to_owned()),
            ("tollgate.comment".to_owned(), "all customers".to_owned()),
        ]),
    );
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["x"]))];
    parquet(&folder.path().join("s/customers.parquet"), schema, columns);
    let table = discover(folder.path()).unwrap().remove(0);
    assert_eq!(table.primary_key, [0, 1]);
    assert_eq!(table.comment.as_deref(), Some("all customers"));
    assert_eq!(table.columns[1].comment.as_deref(), Some("who buys"));
}

#[test]
fn everything_wrong_is_said_at_once_with_relative_paths() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    ids(&root.join("s/good.parquet"), vec![1]);
    text(&root.join("s/bad.parquet"), "PAR1 but not really 4111-1111 PAR1");
    ids(&root.join("s/half/1.parquet"), vec![1]);
    text(&root.join("s/half/2.parquet"), "PAR1");
    ids(&root.join("s/mixed/1.parquet"), vec![1]);
    text(&root.join("s/mixed/2.csv"), "id\n1\n");
    ids(&root.join("s/odd/1.parquet"), vec![1]);
    let other = Schema::new(vec![Field::new("id", DataType::Utf8, false)]);
    parquet(&root.join("s/odd/2.parquet"), other, vec![Arc::new(StringArray::from(vec!["x"]))]);
    ids(&root.join("s/twice.parquet"), vec![1]);
    text(&root.join("s/twice.csv"), "id\n1\n");
    text(&root.join("s/names.csv"), "id,id\n1,2\n");
    ids(&root.join("stray.parquet"), vec![1]);
    std::fs::create_dir_all(root.join("s/void")).unwrap();
    let found = discover_all(root);
    let names: Vec<_> = found.tables.iter().map(|table| table.name.clone()).collect();
    assert_eq!(names, ["good", "half", "twice"].map(|table| TableName::new("s", table)));
    assert_eq!(found.tables[1].row_count, None);
    let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "s/bad.parquet: the file is not an intact Parquet file",
            "s/half/2.parquet: the file is not an intact Parquet file",
            "s/mixed: the folder holds both Parquet and CSV files",
            "s/names.csv: the column \"id\" occurs twice",
            "s/odd/2.parquet: the columns differ from the table's other files",
            "s/twice.parquet: the table s.twice exists already",
            "s/void: the folder holds no data file",
            "stray.parquet: the file is not in the folder of a schema",
        ]
    );
    assert_eq!(discover(root).unwrap_err(), found.errors);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let errors = discover(&folder.path().join("nowhere")).unwrap_err();
    assert_eq!(errors[0].path, ".");
}
