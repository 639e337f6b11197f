//! Prices, and when they are valid.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, Row};

use crate::error::LedgerError;
use crate::record::{Body, spelled};
use crate::store::{Place, Store, begin};

/// The most digits after the point that a price may have: a product with a quantity stays exact.
const DIGITS: u32 = 9;

/// Who pays a price.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payer {
    /// Everyone for whom there is nothing more special.
    Everyone,
    /// Who has this role active.
    Role(String),
    /// Whoever queries for this tenant.
    Tenant(String),
}

/// What queries cost. Sums of what isn't priced are 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Its name.
    pub name: String,
    /// Who pays it.
    pub to: Payer,
    /// The currency, as ISO 4217 names it.
    pub currency: String,
    /// For each query that ran.
    pub per_query: Decimal,
    /// For 1 000 000 000 bytes that the warehouse read.
    pub per_gb_scanned: Decimal,
    /// For 1 000 000 rows that went to the client.
    pub per_million_rows: Decimal,
}

/// Why a price can't be.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// Negative, too large, or with too many digits.
    #[error(
        "price \"{0}\" has an amount that is negative, too large, or of more than 9 digits after the point"
    )]
    Amount(String),
    /// The currency isn't three capital letters.
    #[error("price \"{0}\" has no currency of three capital letters")]
    Currency(String),
    /// Another price of the name begins at the same time or later.
    #[error("price \"{0}\" has a version already that is valid from then or later")]
    Earlier(String),
    /// Queries of that time are rated.
    #[error("queries that ended until {0} are rated already, and a price doesn't change what was")]
    Rated(String),
    /// The store failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<sqlx::Error> for PriceError {
    fn from(error: sqlx::Error) -> Self {
        PriceError::Ledger(error.into())
    }
}

impl Price {
    fn check(&self) -> Result<(), PriceError> {
        let largest = Decimal::from(1_000_000_000);
        for amount in [self.per_query, self.per_gb_scanned, self.per_million_rows] {
            if amount.is_sign_negative() && !amount.is_zero()
                || amount > largest
                || amount.normalize().scale() > DIGITS
            {
                return Err(PriceError::Amount(self.name.clone()));
            }
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|byte| byte.is_ascii_uppercase())
        {
            return Err(PriceError::Currency(self.name.clone()));
        }
        Ok(())
    }
}

/// A price, and when it is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valid {
    /// The price.
    pub price: Price,
    /// From then on, in microseconds since 1970.
    pub from: i64,
    /// Until then, if it has ended.
    pub until: Option<i64>,
}

/// All prices of all times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    prices: Vec<Valid>,
}

impl Book {
    /// The prices, by name and time.
    pub fn prices(&self) -> &[Valid] {
        &self.prices
    }

    /// Reads all prices of a ledger.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn read(place: &Place) -> Result<Book, LedgerError> {
        let mut store = Store::open_to_read(place).await?;
        Book::of(&mut store).await
    }

    pub(crate) async fn of(store: &mut Store) -> Result<Book, LedgerError> {
        let query = "SELECT valid_from, valid_until, body FROM prices ORDER BY name, valid_from";
        let rows = sqlx::query(query).fetch_all(&mut store.connection).await?;
        let mut prices = Vec::new();
        for row in &rows {
            let body: String = row.try_get(2)?;
            let price = serde_json::from_str(&body)
                .map_err(|_| LedgerError::Damaged("a price can't be read".to_owned()))?;
            prices.push(Valid { price, from: row.try_get(0)?, until: row.try_get(1)? });
        }
        Ok(Book { prices })
    }

    /// Adds prices that are valid from a time on (microseconds since 1970). An earlier price of the
    /// same name ends then. What was valid before doesn't change, nor what is rated.
    ///
    /// # Errors
    /// A price can't be, or the store can't be written.
    pub async fn add(place: &Place, prices: &[Price], from: i64) -> Result<(), PriceError> {
        prices.iter().try_for_each(Price::check)?;
        let mut store = Store::open(place, None).await?;
        let mut transaction = store.connection.begin_with(begin(store.engine)).await?;
        let query = "SELECT max(at) FROM rated";
        let last: Option<i64> =
            sqlx::query(query).fetch_one(&mut *transaction).await?.try_get(0)?;
        if let Some(last) = last.filter(|last| from <= *last) {
            return Err(PriceError::Rated(spelled(last)));
        }
        for price in prices {
            let query = "SELECT count(*) FROM prices WHERE name = $1 AND valid_from >= $2";
            let later: i64 = sqlx::query(query)
                .bind(price.name.as_str())
                .bind(from)
                .fetch_one(&mut *transaction)
                .await?
                .try_get(0)?;
            if later > 0 {
                return Err(PriceError::Earlier(price.name.clone()));
            }
            end(&mut transaction, &price.name, from).await?;
            let body = serde_json::to_string(price)
                .map_err(|error| LedgerError::System(error.to_string()))?;
            let insert = "INSERT INTO prices (name, valid_from, body) VALUES ($1, $2, $3)";
            sqlx::query(insert)
                .bind(price.name.as_str())
                .bind(from)
                .bind(body)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        store.connection.close().await?;
        Ok(())
    }

    /// Ends the prices of these names.
    ///
    /// # Errors
    /// The store can't be written.
    pub async fn end(place: &Place, names: &[String], at: i64) -> Result<(), LedgerError> {
        let mut store = Store::open(place, None).await?;
        let mut transaction = store.connection.begin_with(begin(store.engine)).await?;
        for name in names {
            end(&mut transaction, name, at).await?;
        }
        transaction.commit().await?;
        store.connection.close().await?;
        Ok(())
    }

    /// The price of what a receipt tells: a tenant's own before a role's, a role's before everyone's; of
    /// several, the one that became valid last, then the first by name.
    pub(crate) fn price(&self, receipt: &Body, at: i64) -> Option<&Price> {
        let valid = self.prices.iter().filter(|valid| {
            let until = valid.until.is_none_or(|until| at < until);
            valid.from <= at && until && valid.price.to.pays(receipt)
        });
        let best = valid.max_by(|a, b| {
            let rank = |valid: &Valid| match valid.price.to {
                Payer::Everyone => 0,
                Payer::Role(_) => 1,
                Payer::Tenant(_) => 2,
            };
            (rank(a), a.from, &b.price.name).cmp(&(rank(b), b.from, &a.price.name))
        });
        best.map(|valid| &valid.price)
    }
}

impl Payer {
    fn pays(&self, receipt: &Body) -> bool {
        match self {
            Payer::Everyone => true,
            Payer::Role(role) => receipt.roles.contains(role),
            Payer::Tenant(tenant) => receipt.tenant.as_ref() == Some(tenant),
        }
    }
}

async fn end(connection: &mut sqlx::AnyConnection, name: &str, at: i64) -> Result<(), LedgerError> {
    let update = "UPDATE prices SET valid_until = $2 \
                  WHERE name = $1 AND valid_from < $2 AND (valid_until IS NULL OR valid_until > $2)";
    sqlx::query(update).bind(name).bind(at).execute(connection).await?;
    Ok(())
}
