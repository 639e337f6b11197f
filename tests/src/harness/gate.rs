//! A way to a server that can be closed while the server stays.

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
