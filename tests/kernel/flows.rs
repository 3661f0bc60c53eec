//! Remembered connections follow the rules: a UDP client that keeps on sending from one port, and TCP
//! connections that are open while rules change.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use locker::firewall::FirewallChange;
use locker::model::PortRule;
use locker::model::Protocol::{Tcp, Udp};

use super::ready;
use super::values::{allowed, network, rule};
use super::world::{DRIVERS, World};

const PATIENCE: Duration = Duration::from_millis(400);

fn each(test: impl Fn(&World)) {
    if ready() {
        DRIVERS.into_iter().for_each(|driver| test(&opened(driver)));
    }
}

fn opened(driver: super::world::Driver) -> World {
    let world = World::new(driver);
    world.apply(FirewallChange {
        open: vec![network("shop", false)],
        ..FirewallChange::default()
    });
    world
}

fn change(add: &[&PortRule], remove: &[&PortRule]) -> FirewallChange {
    let all = |rules: &[&PortRule]| rules.iter().map(|rule| (*rule).clone()).collect();
    FirewallChange {
        add: all(add),
        remove: all(remove),
        ..FirewallChange::default()
    }
}

/// Sends from the same socket each time.
fn ask(socket: &UdpSocket, to: SocketAddr) -> Option<String> {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(b"?", to).unwrap();
    let mut buffer = [0; 64];
    let (length, _) = socket.recv_from(&mut buffer).ok()?;
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    text.split(' ').next().map(str::to_owned)
}

fn socket(world: &World, from: &str) -> UdpSocket {
    let from = SocketAddr::new(from.parse().unwrap(), 4000);
    world.client.run(move || UdpSocket::bind(from).unwrap())
}

#[test]
fn a_udp_client_with_one_port_goes_where_the_rules_say_now() {
    each(|world| {
        for (from, host) in [("10.9.0.2", "10.9.0.1"), ("fd09::2", "fd09::1")] {
            let to = SocketAddr::new(host.parse::<IpAddr>().unwrap(), 5300);
            let client = socket(world, from);
            let served = |who: Option<&str>, when: &str| {
                let told = format!("{:?}: {host}: {when}", world.driver);
                assert_eq!(ask(&client, to).as_deref(), who, "{told}");
            };
            let web = rule("", (5300, 5300), (8080, 8080), Udp);
            let mut db = web.clone();
            (db.to4, db.to6) = ("10.77.0.3".parse().unwrap(), "fd77::3".parse().ok());
            let closed = allowed(web.clone(), &["192.0.2.0/24", "2001:db8::/32"]);
            served(None, "before it is published");
            world.apply(change(&[&web], &[]));
            served(Some("web"), "published");
            world.apply(change(&[&db], &[&web]));
            served(Some("db"), "moved to another container");
            world.apply(change(&[&web], &[&db]));
            served(Some("web"), "moved back");
            world.apply(change(&[&closed], &[&web]));
            served(None, "allowed to others only");
            world.apply(change(&[&web], &[&closed]));
            served(Some("web"), "allowed again");
            world.apply(change(&[], &[&web]));
            served(None, "taken out");
        }
    });
}

/// A connection to `port` of the host, behind which an echo answers.
struct Talk(TcpStream);

impl Talk {
    fn begin(world: &World, host: &str, port: u16) -> Self {
        let to = SocketAddr::new(host.parse().unwrap(), port);
        let stream = world
            .client
            .run(move || TcpStream::connect_timeout(&to, Duration::from_secs(5)).unwrap());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn goes_on(&mut self) -> bool {
        let mut answer = [0; 1];
        self.0.write_all(b"x").is_ok() && self.0.read_exact(&mut answer).is_ok()
    }
}

fn echo(mut stream: TcpStream) {
    let mut byte = [0; 1];
    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
}

#[test]
fn a_tcp_connection_lasts_as_long_as_a_rule_leads_it_to_where_it_goes() {
    each(|world| {
        world.web.run(|| {
            let listener = TcpListener::bind(("::", 7)).unwrap();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    thread::spawn(move || echo(stream));
                }
            });
        });
        let web = rule("", (7000, 7000), (7, 7), Tcp);
        let beside = rule("", (7001, 7001), (7, 7), Tcp);
        let wide = allowed(web.clone(), &["10.9.0.0/24", "fd09::/64"]);
        let closed = allowed(web.clone(), &["192.0.2.0/24", "2001:db8::/32"]);
        for host in ["10.9.0.1", "fd09::1"] {
            let told = format!("{:?}: {host}", world.driver);
            world.apply(change(&[&web, &beside], &[]));
            let (mut one, mut other) = (
                Talk::begin(world, host, 7000),
                Talk::begin(world, host, 7001),
            );
            assert!(one.goes_on() && other.goes_on(), "{told}");
            world.apply(change(&[&web], &[]));
            assert!(one.goes_on(), "{told}: published once more");
            world.apply(change(&[&wide], &[&web]));
            assert!(one.goes_on(), "{told}: still allowed");
            world.apply(change(&[&closed], &[&wide]));
            assert!(!one.goes_on(), "{told}: not allowed any more");
            assert!(
                other.goes_on(),
                "{told}: another port is none of its business"
            );
            world.apply(change(&[], &[&closed, &beside]));
            assert!(!other.goes_on(), "{told}: taken out");
        }
    });
}
