//! Told by the kernel: an interface or one of its addresses came, went or changed (rtnetlink(7)).

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use rtnetlink::{MulticastGroup, new_multicast_connection};

use super::NetworkError;

/// The ear at the kernel's network.
pub struct LinkChanges {
    messages: BoxStream<'static, ()>,
    worker: tokio::task::JoinHandle<()>,
}

impl std::fmt::Debug for LinkChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkChanges")
    }
}

impl LinkChanges {
    /// Listens from now on, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel gives no socket.
    pub fn listen() -> Result<Self, NetworkError> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
        ];
        let opened = new_multicast_connection(&groups);
        let (connection, _, messages) = opened.map_err(|error| NetworkError::Link {
            verb: "listen for changes of",
            interface: "*".into(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            messages: messages.map(|_| ()).boxed(),
            worker: tokio::spawn(connection),
        })
    }

    /// Waits for the next change; false when the kernel has ended the socket.
    pub async fn next(&mut self) -> bool {
        self.messages.next().await.is_some()
    }

    /// Forgets what has been told meanwhile.
    pub fn drain(&mut self) {
        while let Some(Some(())) = self.messages.next().now_or_never() {}
    }
}

impl Drop for LinkChanges {
    fn drop(&mut self) {
        self.worker.abort();
    }
}
