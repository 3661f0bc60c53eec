//! A small world of network namespaces: a host, machines beside it, containers behind its bridges.

use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ipnet::IpNet;
use locker::firewall::{Firewall, Iptables, Nftables};
use locker::model::{FirewallChoice, NetworkRules, Protocol};
use locker::network::{BridgeWish, KernelNetwork, Network};
use locker::store::Paths;

use super::values::network;

/// How long a packet may be on its way before it counts as dropped.
const PATIENCE: Duration = Duration::from_millis(700);

/// A network namespace that lives as long as its file descriptor.
#[derive(Clone)]
pub struct Space(Arc<File>);

impl Space {
    /// A new one, its loopback up.
    pub fn new() -> Self {
        let make = || {
            // Only the network of this fresh thread is unshared, no file table: the reason for the
            // deprecation does not touch it.
            #[allow(deprecated)]
            rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        };
        let space = Self(Arc::new(thread::spawn(make).join().unwrap()));
        space.sh("ip link set lo up");
        space
    }

    /// Runs `work` inside, on a thread of its own.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let file = self.0.clone();
        let inside = move || {
            let kind = rustix::thread::LinkNameSpaceType::Network;
            rustix::thread::move_into_link_name_space(file.as_fd(), Some(kind)).unwrap();
            let here = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
            let host = std::fs::read_link("/proc/self/ns/net").unwrap();
            assert_ne!(
                here, host,
                "a kernel test must not run in the host's namespace"
            );
            work()
        };
        match thread::spawn(inside).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Runs a future inside.
    pub fn wait<T, F>(&self, work: impl FnOnce() -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        self.run(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(work())
        })
    }

    /// Runs commands of the test's own inside and returns what they print.
    pub fn sh(&self, script: &str) -> String {
        let script = script.to_string();
        self.run(move || {
            let output = Command::new("sh").args(["-ec", &script]).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{script}: {error}");
            String::from_utf8(output.stdout).unwrap()
        })
    }

    fn file(&self) -> String {
        use std::os::fd::AsRawFd;
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// A veth pair to `other`: `mine` here, `eth0` with the addresses there.
    pub fn plug(&self, mine: &str, other: &Space, addresses: &[&str], gateways: &[&str]) {
        let peer = other.file();
        self.sh(&format!(
            "ip link add {mine} type veth peer name eth0 netns {peer}; ip link set {mine} up"
        ));
        let mut script = "ip link set eth0 up\n".to_string();
        for address in addresses {
            let nodad = if address.contains(':') { "nodad" } else { "" };
            script += &format!("ip addr add {address} dev eth0 {nodad}\n");
        }
        for gateway in gateways {
            script += &format!("ip route add default via {gateway}\n");
        }
        other.sh(&script);
    }

    /// Serves TCP and UDP on `port` of all addresses: answers `<name> <address of the client>`.
    pub fn serve(&self, name: &'static str, port: u16) {
        self.run(move || {
            let tcp = TcpListener::bind(("::", port)).unwrap();
            let udp = UdpSocket::bind(("::", port)).unwrap();
            let answer = move |peer: SocketAddr| format!("{name} {}", peer.ip().to_canonical());
            thread::spawn(move || {
                for stream in tcp.incoming() {
                    let mut stream = stream.unwrap();
                    let peer = stream.peer_addr().unwrap();
                    let _ = stream.write_all(answer(peer).as_bytes());
                }
            });
            thread::spawn(move || {
                let mut buffer = [0; 16];
                while let Ok((_, peer)) = udp.recv_from(&mut buffer) {
                    let _ = udp.send_to(answer(peer).as_bytes(), peer);
                }
            });
        });
    }

    /// Asks `address` from here; none when nobody answers.
    pub fn ask(&self, protocol: Protocol, address: &str, port: u16) -> Option<String> {
        let to = SocketAddr::new(address.parse().unwrap(), port);
        self.run(move || match protocol {
            Protocol::Tcp => {
                let mut stream = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).ok()?;
                Some(text)
            }
            Protocol::Udp => {
                let any: IpAddr = if to.is_ipv4() {
                    [0; 4].into()
                } else {
                    [0; 16].into()
                };
                let socket = UdpSocket::bind((any, 0)).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket.connect(to).ok()?;
                socket.send(b"?").ok()?;
                let mut buffer = [0; 128];
                let length = socket.recv(&mut buffer).ok()?;
                Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
            }
        })
    }
}

/// A driver under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    Nft,
    Iptables,
}

pub const DRIVERS: [Driver; 2] = [Driver::Nft, Driver::Iptables];

impl Driver {
    pub fn open(self, paths: &Paths) -> Box<dyn Firewall> {
        match self {
            Self::Nft => Box::new(Nftables::new(paths)),
            Self::Iptables => Box::new(Iptables::new(paths)),
        }
    }
}

/// A host with the projects `shop` (containers web .2 and db .3) and `other` (box .2), and a client
/// at 10.9.0.2 and fd09::2 that knows the way to the containers' subnets over the host.
pub struct World {
    pub host: Space,
    pub client: Space,
    pub web: Space,
    pub db: Space,
    pub other: Space,
    pub paths: Paths,
    pub driver: Driver,
    _dir: tempfile::TempDir,
}

impl World {
    pub fn new(driver: Driver) -> Self {
        Self::with(driver, false)
    }

    /// `bridged` hands the bridges' packets to the firewall as well, as `br_netfilter` does by
    /// default; false takes that back where the machine does it.
    pub fn with(driver: Driver, bridged: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = Self {
            host: Space::new(),
            client: Space::new(),
            web: Space::new(),
            db: Space::new(),
            other: Space::new(),
            paths: Paths::under(dir.path()),
            driver,
            _dir: dir,
        };
        let bridged = u8::from(bridged);
        world.host.sh(&format!(
            "cd /proc/sys/net/bridge 2>/dev/null || exit 0
             for family in ip ip6; do echo {bridged} > bridge-nf-call-${{family}}tables; done"
        ));
        let lan = ["10.9.0.2/24", "fd09::2/64"];
        world
            .host
            .plug("lan", &world.client, &lan, &["10.9.0.1", "fd09::1"]);
        world
            .host
            .sh("ip addr add 10.9.0.1/24 dev lan; ip addr add fd09::1/64 dev lan nodad");
        for project in ["shop", "other"] {
            world.bridge(network(project, false));
        }
        // Hairpin mode as docs/network.md asks for: with br_netfilter a container reaches its own
        // published port in no other way.
        for (space, veth, project, last) in [
            (&world.web, "v-web", "shop", 2),
            (&world.db, "v-db", "shop", 3),
            (&world.other, "v-box", "other", 2),
        ] {
            world.join(space, veth, &network(project, false), last);
        }
        world.web.serve("web", 8080);
        world.db.serve("db", 8080);
        world.other.serve("box", 8080);
        world
    }

    /// Makes the bridge of a network.
    pub fn bridge(&self, net: NetworkRules) {
        let paths = self.paths.clone();
        let made = self.host.wait(move || async move {
            let kernel = KernelNetwork::new(&paths, FirewallChoice::Auto);
            let wish = BridgeWish::plain(&net.bridge, &net.subnets);
            kernel.ensure(&net.project, &wish).await
        });
        assert!(made.unwrap());
    }

    /// Plugs `space` into a network as its address with this last number.
    pub fn join(&self, space: &Space, veth: &str, net: &NetworkRules, last: u8) {
        let own = net.subnets.each().map(|net| match net {
            IpNet::V4(net) => net.to_string().replace("0/24", &format!("{last}/24")),
            IpNet::V6(net) => net.to_string().replace("::/", &format!("::{last}/")),
        });
        let gateways = net.subnets.gateways().map(|net| net.addr().to_string());
        let (own, gateways): (Vec<String>, Vec<String>) = (own.collect(), gateways.collect());
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let gateways: Vec<&str> = gateways.iter().map(String::as_str).collect();
        self.host.plug(veth, space, &own, &gateways);
        let bridge = &net.bridge;
        self.host.sh(&format!(
            "ip link set {veth} master {bridge}
             ip link set {veth} type bridge_slave hairpin on"
        ));
    }

    /// Applies a change to the host's firewall.
    pub fn apply(&self, change: locker::firewall::FirewallChange) {
        self.try_apply(change).unwrap();
    }

    pub fn try_apply(&self, change: locker::firewall::FirewallChange) -> Result<(), String> {
        let (paths, driver) = (self.paths.clone(), self.driver);
        self.host.wait(move || async move {
            let done = driver.open(&paths).apply(&change).await;
            done.map_err(|error| error.to_string())
        })
    }

    pub fn observe(&self) -> locker::observed::ObservedFirewall {
        let (paths, driver) = (self.paths.clone(), self.driver);
        let observed = self
            .host
            .wait(move || async move { driver.open(&paths).observe().await });
        observed.unwrap()
    }

    /// All of the host's rules, of both kinds.
    pub fn ruleset(&self) -> String {
        self.host
            .sh("nft -s list ruleset; iptables-save | grep -v '^[#:]' || true")
    }
}
