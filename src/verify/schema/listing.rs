//! The objects of one class on both sides, side by side: neither list is ever held, however long it is.

use std::cmp::Ordering;

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use tokio_postgres::Row;

use super::attached::Attachments;
use super::classes::Class;
use super::object::Object;
use crate::pg::{Client, PgError};

/// Objects of one side as the server sends them, in the order of their identities.
struct Listing<'a> {
    client: &'a Client,
    rows: BoxStream<'a, Result<Row, PgError>>,
    /// The next one; `None` after the last.
    next: Option<Object>,
}

impl<'a> Listing<'a> {
    async fn open(client: &'a Client, class: &Class, attachments: Attachments) -> Result<Self, PgError> {
        let rows = client.stream(format!("list every {}", class.name), class.query(attachments)).await?;
        let mut listing = Self { client, rows, next: None };
        listing.take().await?;
        Ok(listing)
    }

    /// Takes the next one, which is there.
    async fn take(&mut self) -> Result<Option<Object>, PgError> {
        let following = match self.rows.try_next().await? {
            Some(row) => Some(Object {
                identity: self.client.get(&row, 0)?,
                properties: self.client.get(&row, 1)?,
                attached: self.client.get(&row, 2)?,
            }),
            None => None,
        };
        Ok(std::mem::replace(&mut self.next, following))
    }
}

/// Two listings.
pub(super) struct Pairs<'a> {
    source: Listing<'a>,
    target: Listing<'a>,
}

impl<'a> Pairs<'a> {
    /// Lists a class, as each side's version spells it.
    pub(super) async fn open(
        (source, here): (&'a Client, &Class),
        (target, there): (&'a Client, &Class),
        attachments: Attachments,
    ) -> Result<Self, PgError> {
        let (source, target) =
            tokio::try_join!(Listing::open(source, here, attachments), Listing::open(target, there, attachments))?;
        Ok(Self { source, target })
    }

    /// The next object, as each side has it; at least one does. `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<(Option<Object>, Option<Object>)>, PgError> {
        let order = match (&self.source.next, &self.target.next) {
            (Some(here), Some(there)) => here.identity.cmp(&there.identity),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(None),
        };
        Ok(Some(match order {
            Ordering::Less => (self.source.take().await?, None),
            Ordering::Equal => tokio::try_join!(self.source.take(), self.target.take())?,
            Ordering::Greater => (None, self.target.take().await?),
        }))
    }
}
