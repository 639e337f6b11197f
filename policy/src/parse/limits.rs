//! Limits and prices.

use datafusion_sql::sqlparser::tokenizer::Token;

use super::{Parsed, Reader};
use crate::limits::{Every, Exceed, Period, Sharing};
use crate::model::{Bounds, Name, Statement, Tariff};

const BOUNDS: &str = "a limit has one or more of MAX ROWS n ON EXCEED TRUNCATE or ERROR, \
    MAX BYTES SCANNED '50 GB', MAX RUNTIME '30 s', MAX CONCURRENT n, \
    RATE n PER MINUTE PER USER, BUDGET amount PER DAY, each once";

const TARIFF: &str = "a price has one or more of PER QUERY amount, PER GB SCANNED amount, \
    PER MILLION ROWS RETURNED amount, PER CREDIT amount, and CURRENCY 'USD', \
    VALID FROM 'date' UNTIL 'date', each once";

impl Reader<'_> {
    pub(super) fn limit(&mut self) -> Parsed<Statement> {
        let name = self.name("the limit's name")?;
        let to = self.grantees()?;
        let mut bounds = Bounds::default();
        let mut parts = 0;
        loop {
            let at = self.here();
            let again = if self.take(&["MAX", "ROWS"]) {
                let rows = self.number("a number of rows")?;
                bounds.rows.replace((rows, self.exceed()?)).is_some()
            } else if self.take(&["MAX", "BYTES", "SCANNED"]) {
                let bytes = self.quantity("a size", "write a size as text: '50 GB'")?;
                bounds.bytes.replace(bytes).is_some()
            } else if self.take(&["MAX", "RUNTIME"]) {
                let runtime = self.quantity("a duration", "write a duration as text: '30 s'")?;
                bounds.runtime.replace(runtime).is_some()
            } else if self.take(&["MAX", "CONCURRENT"]) {
                let count = self.number("a number of statements")?;
                bounds.concurrent.replace(count).is_some()
            } else if self.take(&["RATE"]) {
                let count = self.number("a number of statements")?;
                bounds.rate.replace((count, self.every()?, self.sharing()?)).is_some()
            } else if self.take(&["BUDGET"]) {
                let amount = self.number("an amount of money")?;
                bounds.budget.replace((amount, self.period()?)).is_some()
            } else {
                break;
            };
            if again {
                return Err(at.error("the limit says this twice", BOUNDS));
            }
            parts += 1;
        }
        if parts == 0 {
            return self.unexpected("what the limit allows", BOUNDS);
        }
        Ok(Statement::Limit { name, to, bounds })
    }

    pub(super) fn price(&mut self) -> Parsed<Statement> {
        let name = self.name("the price's name")?;
        let (to, tenants) = self.payers()?;
        let mut tariff = Tariff::default();
        let mut amounts = 0;
        loop {
            let at = self.here();
            let (slot, is_amount) = if self.take(&["PER", "QUERY"]) {
                (&mut tariff.query, true)
            } else if self.take(&["PER", "GB", "SCANNED"]) {
                (&mut tariff.gigabyte, true)
            } else if self.take(&["PER", "MILLION", "ROWS", "RETURNED"]) {
                (&mut tariff.million_rows, true)
            } else if self.take(&["PER", "CREDIT"]) {
                (&mut tariff.credit, true)
            } else if self.take(&["CURRENCY"]) {
                (&mut tariff.currency, false)
            } else if self.take(&["VALID"]) {
                self.validity(&mut tariff)?;
                continue;
            } else {
                break;
            };
            let value = if is_amount {
                amounts += 1;
                self.number("an amount of money")?
            } else {
                self.quantity("a currency", "write its three letters as text: 'USD'")?
            };
            if slot.replace(value).is_some() {
                return Err(at.error("the price says this twice", TARIFF));
            }
        }
        if amounts == 0 {
            return self.unexpected("what is to be paid for", TARIFF);
        }
        if tariff.currency.is_none() {
            return self.unexpected("CURRENCY", "say in which money: CURRENCY 'USD'");
        }
        Ok(Statement::Price { name, to, tenants, tariff })
    }

    /// `VALID FROM '…' UNTIL '…'`, or one of the two.
    fn validity(&mut self, tariff: &mut Tariff) -> Parsed<()> {
        let at = self.here();
        if tariff.from.is_some() || tariff.until.is_some() {
            return Err(at.error("the price says this twice", TARIFF));
        }
        if self.take(&["FROM"]) {
            tariff.from = Some(self.moment()?);
        }
        if self.take(&["UNTIL"]) {
            tariff.until = Some(self.moment()?);
        }
        if tariff.from.is_none() && tariff.until.is_none() {
            return self.unexpected("FROM or UNTIL", TARIFF);
        }
        Ok(())
    }

    fn exceed(&mut self) -> Parsed<Exceed> {
        let hint = "say what happens to longer results: ON EXCEED TRUNCATE or ON EXCEED ERROR";
        self.expect(&["ON", "EXCEED"], hint)?;
        if self.take(&["TRUNCATE"]) {
            Ok(Exceed::Truncate)
        } else if self.take(&["ERROR"]) {
            Ok(Exceed::Error)
        } else {
            self.unexpected("TRUNCATE or ERROR", hint)
        }
    }

    fn every(&mut self) -> Parsed<Every> {
        if self.take(&["PER", "SECOND"]) {
            Ok(Every::Second)
        } else if self.take(&["PER", "MINUTE"]) {
            Ok(Every::Minute)
        } else if self.take(&["PER", "HOUR"]) {
            Ok(Every::Hour)
        } else {
            let hint = "say in which time: PER SECOND, PER MINUTE or PER HOUR";
            self.unexpected("PER SECOND, PER MINUTE or PER HOUR", hint)
        }
    }

    fn sharing(&mut self) -> Parsed<Sharing> {
        if self.take(&["PER", "USER"]) {
            Ok(Sharing::User)
        } else if self.take(&["PER", "ROLE"]) {
            Ok(Sharing::Role)
        } else if self.take(&["PER", "TENANT"]) {
            Ok(Sharing::Tenant)
        } else {
            let hint = "say who shares the rate: PER USER, PER ROLE or PER TENANT";
            self.unexpected("PER USER, PER ROLE or PER TENANT", hint)
        }
    }

    fn period(&mut self) -> Parsed<Period> {
        if self.take(&["PER", "DAY"]) {
            Ok(Period::Day)
        } else if self.take(&["PER", "MONTH"]) {
            Ok(Period::Month)
        } else {
            self.unexpected("PER DAY or PER MONTH", "say for how long the money is")
        }
    }

    /// The digits of a number; what it may be is checked when all statements are known.
    pub(super) fn number(&mut self, what: &str) -> Parsed<Name> {
        let at = self.here();
        let Token::Number(digits, false) = &self.parser.peek_token_ref().token else {
            return self.unexpected(what, "write a number in digits");
        };
        let text = digits.clone();
        self.parser.advance_token();
        Ok(Name { text, at })
    }

    pub(super) fn quantity(&mut self, what: &str, hint: &str) -> Parsed<Name> {
        let at = self.here();
        Ok(Name { text: self.literal(what, hint)?, at })
    }
}
