//! A way to a server that can be closed while the server stays, and one that tells what passes.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passage {
    /// They are passed on.
    Open,
    /// They are closed, those that are there as well.
    Closed,
    /// New ones are taken, and nothing is answered.
    Silent,
}

/// Passes connections on to a port of this machine.
pub struct Gate {
    pub port: u16,
    passage: watch::Sender<Passage>,
}

impl Gate {
    pub async fn to(port: u16) -> Gate {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap().port();
        let passage = watch::Sender::new(Passage::Open);
        let now = passage.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = socket.accept().await {
                tokio::spawn(pass(client, port, now.clone()));
            }
        });
        Gate { port: at, passage }
    }

    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }
}

async fn pass(mut client: TcpStream, port: u16, mut now: watch::Receiver<Passage>) {
    let passage = *now.borrow_and_update();
    match passage {
        Passage::Closed => {}
        Passage::Silent => {
            let _ = now.wait_for(|passage| *passage != Passage::Silent).await;
        }
        Passage::Open => {
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                _ = now.wait_for(|passage| *passage == Passage::Closed) => {}
            }
        }
    }
}

/// Passes connections on to a port of this machine, and tells what clients send there.
pub struct Relay {
    pub port: u16,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    sent: Vec<String>,
    /// What is changed on its way, into as many bytes.
    changed: Option<(&'static str, &'static str)>,
}

impl Relay {
    pub async fn to(port: u16) -> Relay {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap().port();
        let told = Arc::new(Mutex::new(Told::default()));
        let relay = Relay { port: at, told: Arc::clone(&told) };
        tokio::spawn(async move {
            while let Ok((client, _)) = socket.accept().await {
                tokio::spawn(tell(client, port, Arc::clone(&told)));
            }
        });
        relay
    }

    /// What was sent since this was asked last; all that was sent at once is one text.
    pub fn sent(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap().sent)
    }

    /// Changes what is sent from now on.
    pub fn change(&self, change: Option<(&'static str, &'static str)>) {
        assert!(change.is_none_or(|(from, to)| from.len() == to.len()));
        self.told.lock().unwrap().changed = change;
    }
}

async fn tell(client: TcpStream, port: u16, told: Arc<Mutex<Told>>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            let sent = &mut bytes[..count];
            {
                let mut told = told.lock().unwrap();
                told.sent.push(String::from_utf8_lossy(sent).into_owned());
                if let Some((from, to)) = told.changed {
                    let places: Vec<_> = sent
                        .windows(from.len())
                        .enumerate()
                        .filter(|(_, at)| *at == from.as_bytes())
                        .map(|(place, _)| place)
                        .collect();
                    for place in places {
                        sent[place..place + to.len()].copy_from_slice(to.as_bytes());
                    }
                }
            }
            if to_server.write_all(sent).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let back = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        () = there => {}
        _ = back => {}
    }
}
