//! The rows of a result: those in the answer itself, then the pieces stored elsewhere, in order.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tollgate_catalog::Error;

use super::decode::Columns;
use super::error::malformed;
use super::service::{Chunk, Data, Service};
use crate::BatchStream;

/// Bytes of pieces that wait, as they come, for each result.
const WAITING: u64 = 64 << 20;
/// Pieces that are fetched at once at most.
const AT_ONCE: u64 = 4;

type Batch = Result<arrow::record_batch::RecordBatch, Error>;

/// How values are written.
#[derive(Debug, Clone, Copy)]
enum Format {
    Arrow,
    Json,
}

/// The rows. What isn't asked for isn't fetched.
pub(super) fn rows(
    service: Arc<Service>,
    columns: Columns,
    data: Data,
) -> Result<BatchStream, Error> {
    let format = match data.query_result_format.as_deref() {
        Some("arrow" | "arrow_force") => Format::Arrow,
        Some("json") => Format::Json,
        Some(_) | None => return Err(malformed("a result of another format")),
    };
    let first: BoxStream<'static, Batch> = match (format, data.rowset, data.rowset_base64) {
        (Format::Json, Some(rows), _) if !rows.is_empty() => {
            stream::iter([columns.rows(&rows)]).boxed()
        }
        (Format::Arrow, _, Some(text)) if !text.is_empty() => {
            let bytes = STANDARD.decode(text).map_err(|error| malformed(error.to_string()))?;
            read(&columns, format, bytes.into())
        }
        _ => stream::empty().boxed(),
    };
    let chunks = data.chunks.unwrap_or_default();
    let largest =
        chunks.iter().filter_map(|chunk| chunk.compressed_size.or(chunk.uncompressed_size));
    // Where no size is told, one after the other.
    let largest = if chunks.iter().any(|chunk| chunk.compressed_size.is_none()) {
        WAITING
    } else {
        largest.max().unwrap_or(WAITING).max(1)
    };
    let at_once = usize::try_from((WAITING / largest).clamp(1, AT_ONCE)).unwrap_or(1);
    let headers = Arc::new(headers(data.chunk_headers, data.qrmk));
    let fetched = stream::iter(chunks)
        .map(move |chunk: Chunk| {
            let (service, headers) = (Arc::clone(&service), Arc::clone(&headers));
            async move { Ok((chunk.row_count, service.fetch(&chunk, &headers).await?)) }
        })
        .buffered(at_once)
        .map_ok(move |(count, bytes)| counted(count, read(&columns, format, bytes)))
        .try_flatten();
    Ok(first.chain(fetched).boxed())
}

fn headers(
    given: Option<std::collections::BTreeMap<String, String>>,
    key: Option<String>,
) -> Vec<(String, String)> {
    match (given, key) {
        (Some(headers), _) => headers.into_iter().collect(),
        // Older services give the key only, and the client names the way it is used.
        (None, Some(key)) => vec![
            ("x-amz-server-side-encryption-customer-algorithm".to_owned(), "AES256".to_owned()),
            ("x-amz-server-side-encryption-customer-key".to_owned(), key),
        ],
        (None, None) => Vec::new(),
    }
}

/// One piece, batch by batch.
fn read(columns: &Columns, format: Format, bytes: Bytes) -> BoxStream<'static, Batch> {
    match format {
        Format::Arrow => match columns.arrow(bytes) {
            Ok(batches) => stream::iter(batches).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        },
        Format::Json => stream::iter([columns.json(bytes)]).boxed(),
    }
}

/// A piece with fewer or more rows than were announced is an error.
fn counted(count: u64, batches: BoxStream<'static, Batch>) -> BoxStream<'static, Batch> {
    let seen = Some((0_u64, batches));
    stream::unfold(seen, move |state| async move {
        let (seen, mut batches) = state?;
        match batches.next().await {
            Some(Ok(batch)) => {
                let seen = seen.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
                Some((Ok(batch), Some((seen, batches))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None if seen == count => None,
            None => Some((Err(malformed("a piece of the result has other rows")), None)),
        }
    })
    .boxed()
}
