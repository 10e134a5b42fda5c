//! The scenario in turmoil: one host that runs the relay that ships, on the simulated disk, and three that are the
//! scenario's parties.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use handoff_hub::clock::Clock;
use handoff_hub::disk::simulated::{Background, Settings, SimulatedDisk};
use handoff_hub::relay::{Config, Relay};
use handoff_hub::request::{Reply, Request, Ticket};
use handoff_hub::store::Options;
use handoff_kernel::time::{Millis, Time};
use handoff_sim::cast::{Cast, on_the_wire};
use handoff_sim::chance::Chance;
use handoff_sim::demand::Heard;
use handoff_sim::live::BEGINS;
use handoff_sim::scenario::{NOW_AND_THEN, Party, Said, Scenario, Tally};
use tokio::time::timeout;
use turmoil::net::UdpSocket;

use crate::wire;

const HUB: &str = "hub";
const PORT: u16 = 1;

/// Turmoil's delays are min + (max - min) × a draw of the exponential distribution of this rate, at most max, in whole
/// milliseconds. At this rate their mean is that of the even distribution over the same span, which the other simulator
/// draws from; at turmoil's own default, 5, messages would take half as long.
const CURVE: f64 = 1.33;

/// No run takes longer than this, in simulated time.
const LONGEST: Duration = Duration::from_secs(3600);

/// The host's clock, which is right.
struct HubClock;

fn now() -> u64 {
    let elapsed = turmoil::sim_elapsed().unwrap_or_default();
    BEGINS + u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

impl Clock for HubClock {
    fn wall(&self) -> Time {
        on_the_wire(now())
    }

    fn steady(&self) -> Millis {
        Millis(now())
    }
}

/// Runs it: how many handoffs were completed, and how many milliseconds passed in it.
pub(crate) fn run(scenario: &Scenario) -> turmoil::Result<(u64, u64)> {
    let Scenario { seed, network, .. } = *scenario;
    #[expect(clippy::cast_precision_loss, reason = "a part in a thousand")]
    let loses = network.loses as f64 / 1000.0;
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(Duration::from_millis(1))
        .simulation_duration(LONGEST)
        .min_message_latency(Duration::from_millis(network.least))
        .max_message_latency(Duration::from_millis(network.most))
        // A link that fails loses what is on it and is repaired by the next message: one message is lost.
        .fail_rate(loses)
        .repair_rate(1.0)
        .build();
    sim.set_message_latency_curve(CURVE);
    sim.host(HUB, hub);
    let tally = Tally::default();
    for (number, party) in (1..).zip(scenario.parties(&tally)?) {
        sim.client(format!("client{number}"), client(*scenario, party, Chance::of(seed + number)));
    }
    sim.run()?;
    Ok((tally.completed(), u64::try_from(sim.elapsed().as_millis())?))
}

/// The hub's host: what has arrived is taken up, written with one flush, and answered.
async fn hub() -> turmoil::Result {
    let setup = Scenario::setup();
    let settings = Settings {
        block_bytes: usize::try_from(setup.block_bytes)?,
        background: Background::AfterPolls(1),
        now: on_the_wire(now()),
        ..Settings::default()
    };
    let disk = SimulatedDisk::new(settings).start()?;
    let own = disk.same_process();
    let store = Options {
        journal_bytes: setup.journal_bytes,
        segment_bytes: setup.segment_bytes,
        ..Options::default()
    };
    let config = Config { store, ..Config::on(PathBuf::from("/data")) };
    let mut relay = Relay::on(disk, &config, HubClock)?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let mut askers: BTreeMap<Ticket, (SocketAddr, u64)> = BTreeMap::new();
    let mut tickets = 0;
    let mut buffer = [0; wire::MOST];
    loop {
        let mut arrived: Vec<(SocketAddr, u64, Request)> = Vec::new();
        let wait = relay.wake_in().map_or(NOW_AND_THEN, |wait| wait.0.clamp(1, NOW_AND_THEN));
        if let Ok(received) = timeout(Duration::from_millis(wait), socket.recv_from(&mut buffer)).await {
            let mut received = Some(received?);
            while let Some((length, from)) = received {
                let (number, request) = wire::asked(&buffer[..length])?;
                arrived.push((from, number, request));
                received = socket.try_recv_from(&mut buffer).ok();
            }
        }
        own.set_now(on_the_wire(now()));
        for (from, number, request) in arrived {
            tickets += 1;
            askers.insert(Ticket(tickets), (from, number));
            relay.submit(Ticket(tickets), request);
        }
        relay.tick();
        let mut replies: Vec<(Ticket, Reply)> = relay.drain().0;
        replies.extend(relay.commit()?.0);
        for (ticket, reply) in replies {
            if let (Some((to, number)), Some(said)) = (askers.remove(&ticket), Said::of(&Heard::of(reply))) {
                socket.send_to(wire::say(number, said).as_bytes(), to).await?;
            }
        }
    }
}

/// A client's host: it asks, and asks the same again when it has waited long enough.
async fn client(scenario: Scenario, mut party: Party, mut chance: Chance) -> turmoil::Result {
    let Scenario { patience, waits, thinks, .. } = scenario;
    let cast = Cast::default();
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    let mut number = 0;
    while let Some(ask) = party.asks() {
        number += 1;
        let request = wire::ask(&cast, number, party.agent, ask, waits)?;
        let said = loop {
            socket.send_to(&request, (HUB, PORT)).await?;
            if let Ok(said) = timeout(Duration::from_millis(patience), answer(&socket, number)).await {
                break said?;
            }
        };
        party.hears(said)?;
        if thinks > 0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "simulated time: that it passes is what is simulated"
            )]
            tokio::time::sleep(Duration::from_millis(chance.below(thinks + 1))).await;
        }
    }
    Ok(())
}

/// The answer to the request of this number; others come too late.
async fn answer(socket: &UdpSocket, number: u64) -> turmoil::Result<Said> {
    let mut buffer = [0; wire::MOST];
    loop {
        let (length, _) = socket.recv_from(&mut buffer).await?;
        match wire::said(&buffer[..length]) {
            Some((of, said)) if of == number => return Ok(said),
            Some(_) => {}
            None => return Err("the hub's answer cannot be read".into()),
        }
    }
}
