//! The lobby: connections that haven't authenticated yet.
//!
//! Whoever reaches the port can open connections and say nothing, so these have a bound of their own
//! beside that of sessions. In a full lobby a newcomer is let in and the network that holds most seats
//! loses its oldest: one network can't keep others out, and who authenticates without delay always
//! gets the time to.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

/// The connections that may be unauthenticated at the same time.
pub(crate) const SEATS: usize = 128;

/// The unauthenticated connections of one listener. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Lobby(Arc<Mutex<Guests>>);

#[derive(Default)]
struct Guests {
    next: u64,
    seated: BTreeMap<u64, Guest>,
}

struct Guest {
    network: IpAddr,
    status: watch::Sender<Status>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Waiting,
    Settled,
    ShownOut,
}

/// A place in the lobby, free again when it is dropped or settled.
pub(crate) struct Seat {
    lobby: Lobby,
    number: u64,
    status: watch::Receiver<Status>,
}

impl Lobby {
    /// Lets a connection in; another one may have to leave for it.
    pub(crate) fn enter(&self, address: IpAddr) -> Seat {
        let mut guests = self.0.lock();
        if guests.seated.len() >= SEATS {
            guests.show_out();
        }
        let number = guests.next;
        guests.next += 1;
        let (sender, status) = watch::channel(Status::Waiting);
        guests.seated.insert(number, Guest { network: network(address), status: sender });
        Seat { lobby: self.clone(), number, status }
    }
}

impl Guests {
    fn show_out(&mut self) {
        let mut seats: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        // From new to old, so that the oldest seat of each network remains.
        for (number, guest) in self.seated.iter().rev() {
            let (count, oldest) = seats.entry(guest.network).or_default();
            *count += 1;
            *oldest = *number;
        }
        let most = seats.into_values().max_by_key(|(count, oldest)| (*count, u64::MAX - oldest));
        if let Some(guest) = most.and_then(|(_, oldest)| self.seated.remove(&oldest)) {
            let _ = guest.status.send(Status::ShownOut);
        }
    }
}

impl Seat {
    /// Gives the seat back: the connection has authenticated.
    pub(crate) fn settle(&self) {
        if let Some(guest) = self.lobby.0.lock().seated.remove(&self.number) {
            let _ = guest.status.send(Status::Settled);
        }
    }

    /// Returns once the connection has to leave: for another one, or because it is unauthenticated
    /// after `limit`. Never returns for one that has settled.
    pub(crate) async fn shown_out(&self, limit: Duration) {
        let mut status = self.status.clone();
        let decided = status.wait_for(|status| *status != Status::Waiting);
        let settled = match tokio::time::timeout(limit, decided).await {
            Ok(Ok(status)) => *status == Status::Settled,
            Ok(Err(_)) | Err(_) => false,
        };
        if settled {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.lobby.0.lock().seated.remove(&self.number);
    }
}

/// What one stranger has at least: an IPv4 address, or an IPv6 network of 64 bits (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn seated(lobby: &Lobby) -> Vec<u64> {
        lobby.0.lock().seated.keys().copied().collect()
    }

    #[tokio::test]
    async fn the_network_with_most_seats_loses_its_oldest() {
        let lobby = Lobby::default();
        let visitor = lobby.enter(IpAddr::from([192, 0, 2, 1]));
        let oldest = lobby.enter(IpAddr::from(Ipv6Addr::from_bits(1 << 64)));
        let crowd: Vec<Seat> = (2..SEATS as u64)
            .map(|host| lobby.enter(IpAddr::from(Ipv6Addr::from_bits(1 << 64 | u128::from(host)))))
            .collect();
        assert_eq!(seated(&lobby).len(), SEATS);
        let another = lobby.enter(IpAddr::V4(Ipv4Addr::LOCALHOST));
        oldest.shown_out(LONG).await;
        assert!(seated(&lobby).contains(&visitor.number));
        assert!(seated(&lobby).contains(&another.number));
        assert_eq!(seated(&lobby).len(), SEATS);
        drop((oldest, crowd, visitor, another));
        assert!(seated(&lobby).is_empty());
    }

    #[tokio::test]
    async fn time_runs_out_for_those_who_wait_only() {
        let lobby = Lobby::default();
        let (waiting, settled) =
            (lobby.enter([10, 0, 0, 1].into()), lobby.enter([10, 0, 0, 1].into()));
        settled.settle();
        waiting.shown_out(Duration::ZERO).await;
        let out =
            tokio::time::timeout(Duration::from_millis(20), settled.shown_out(Duration::ZERO));
        assert!(out.await.is_err());
    }
}
