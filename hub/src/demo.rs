//! The demo: the whole protocol at work, over real HTTP, for somebody who has never seen it.
//!
//! It plays the hub, both agents, and somebody in between; so this is the one place of this crate that holds a
//! pair's key. Every step is checked as it is told.

mod client;
mod stage;

use std::fmt;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use handoff_kernel::ident::{AgentId, ClaimId, Digest, HandoffId, Mac};
use handoff_kernel::json::Document;
use handoff_kernel::receipt::{Act, Receipt, result_digest};
use handoff_kernel::seal::{self, Key};
use handoff_kernel::time::{Millis, Time};
use handoff_kernel::timestamp::Rfc3339;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::ambient::{self, SystemClock};
use crate::clock::Clock as _;
use crate::relay::Config;
use crate::server::{Server, say};
use crate::tokens::{Scope, TokenFile};
use client::{Client, Response};
use stage::{Stage, ensure};

/// How often bob looks whether his handoff has expired, and how long he would look at most.
const BEAT: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the demo ended early: one sentence.
#[derive(Debug)]
pub struct Trouble(String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Plays; then, unless it is `once`, leaves the hub running until `stop` ends.
///
/// # Errors
/// When a step did not go as told, or could not be done.
pub async fn play(once: bool, stop: impl Future<Output = ()>) -> Result<(), Trouble> {
    let no_directory = |error| {
        let parent = std::env::temp_dir();
        let parent = parent.display();
        Trouble(format!(
            "The demo cannot make a directory in {parent}: {error}. Set TMPDIR to one that is there."
        ))
    };
    let directory = tempfile::Builder::new().prefix("handoff-demo-").tempdir().map_err(no_directory)?;
    let data = directory.path();
    let listen = ([127, 0, 0, 1], 0).into();
    let config = Config::on(data.to_owned());
    let server = Server::start(&config, listen, SystemClock::start()).await.map_err(Trouble::of)?;
    let hub = server.address();
    let (end, ended) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        // An error says that the play is over as well.
        let _ = ended.await;
    }));

    let mut stop = pin!(stop);
    let played = async {
        let file = TokenFile::in_directory(data.to_owned());
        let with_token = |name: &str| {
            let scopes = [Scope::Send, Scope::Receive].into();
            let added = file.add(agent(name), scopes, SystemClock::start().wall()).map_err(Trouble::of)?;
            Ok::<_, Trouble>(Client { hub, token: added.secret.reveal().to_owned() })
        };
        let key = Key::new(&ambient::random::<32>().map_err(Trouble::of)?).map_err(Trouble::of)?;
        let cast = Cast { bob: with_token("bob")?, alice: with_token("alice")?, key };
        let mut stage = Stage::default();
        cast.play(&mut stage, data).await?;
        if !once {
            cast.invite(&mut stage)?;
        }
        Ok(())
    };
    let result = tokio::select! {
        played = played => played,
        () = &mut stop => Err(Trouble("The demo was stopped before its end.".to_owned())),
    };
    if result.is_ok() && !once {
        stop.await;
        say("The demo stops, and its directory is removed.");
    }
    drop(end);
    running.await.map_err(Trouble::of)?.map_err(Trouble::of)?;
    result
}

/// An agent of the play.
fn agent(name: &str) -> AgentId {
    AgentId::parse(name).expect("the names of the play are legal")
}

/// What bob sends.
#[derive(Serialize)]
struct Artifact<'a> {
    protocol_version: u32,
    handoff_id: &'a str,
    from_agent: &'a str,
    to_agent: &'a str,
    reason: &'a str,
    initiated_at: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hmac: Option<String>,
}

/// Who plays: bob, alice, and the key that only the two of them know.
struct Cast {
    bob: Client,
    alice: Client,
    key: Key,
}

impl Cast {
    async fn play(&self, stage: &mut Stage, data: &Path) -> Result<(), Trouble> {
        stage.line(&format!(
            "A hub listens on http://{}, on the directory {}.",
            self.bob.hub,
            data.display()
        ))?;
        stage.line("bob and alice have a token each, and share a key that the hub never sees.")?;
        let sent = self.hand_over(stage).await?;
        let claim = self.race(stage, &sent).await?;
        self.finish(stage, &sent, claim).await?;
        self.tamper(stage).await?;
        self.expire(stage).await?;
        self.look(stage, data, &sent).await?;
        stage.line("\nEvery step went as told.")
    }

    async fn hand_over(&self, stage: &mut Stage) -> Result<String, Trouble> {
        stage.scene("Bob hands over")?;
        let sent =
            self.sign("fix-login-test", "the login test fails every tenth time", Millis::from_secs(3600))?;
        let first = self.start(&sent).await?;
        stage.hears("bob", "signs fix-login-test and sends it to alice", &first, 201, "pending")?;
        let again = self.start(&sent).await?;
        stage.hears("bob", "did not hear that, and sends it again", &again, 200, "pending")?;
        ensure(first.body == again.body, "a repeat is answered as the first time")?;
        Ok(sent)
    }

    /// Two of alice's instances at once; returns the claim that won.
    async fn race(&self, stage: &mut Stage, sent: &str) -> Result<ClaimId, Trouble> {
        stage.scene("Two of alice's instances want it")?;
        let mut racers = Vec::new();
        for who in ["laptop", "server"] {
            let polled = self.alice.get("/v1/handoffs/poll?wait=5").await?;
            ensure(polled.body == sent.as_bytes(), "what is polled is what bob sent, byte for byte")?;
            let digest = Digest::of(sent.as_bytes()).to_string();
            ensure(polled.digest == Some(digest), "the digest is that of the bytes")?;
            let nonce = ambient::random::<4>().map_err(Trouble::of)?;
            let claim = nonce.iter().fold(format!("{who}-"), |claim, byte| claim + &format!("{byte:02x}"));
            let alice = self.alice.clone();
            let accept = format!("{{\"claim_id\":\"{claim}\"}}");
            let racing = async move { alice.post("/v1/handoffs/fix-login-test/accept", accept).await };
            racers.push((format!("alice/{who}"), claim, racing));
        }
        stage.does("both", "poll, see bob's bytes verbatim, and accept at the same moment")?;
        let running: Vec<_> =
            racers.into_iter().map(|(who, claim, racing)| (who, claim, tokio::spawn(racing))).collect();
        let mut ended = Vec::new();
        for (who, claim, racing) in running {
            ended.push((who, claim, racing.await.map_err(Trouble::of)??));
        }
        ended.sort_by_key(|(_, _, answer)| answer.status);
        let [(winner, claim, won), (loser, _, lost)] = ended.as_slice() else {
            return Err(Trouble("Two instances race, always.".to_owned()));
        };
        stage.hears(winner, &format!("has it, as claim {claim}"), won, 200, "claimed")?;
        stage.hears(loser, "came second", lost, 409, "already_claimed")?;
        let accept = format!("{{\"claim_id\":\"{claim}\"}}");
        let again = self.alice.post("/v1/handoffs/fix-login-test/accept", accept).await?;
        stage.hears(winner, "did not hear that, and asks again", &again, 200, "claimed")?;
        ensure(won.body == again.body, "a repeat is answered as the first time")?;
        ClaimId::parse(claim).map_err(Trouble::of)
    }

    async fn finish(&self, stage: &mut Stage, sent: &str, claim_id: ClaimId) -> Result<(), Trouble> {
        stage.scene("The winner checks before it acts")?;
        let who = if claim_id.as_str().starts_with("laptop") { "alice/laptop" } else { "alice/server" };
        let document = Document::parse(sent.as_bytes()).map_err(Trouble::of)?;
        seal::verify(&document, std::slice::from_ref(&self.key)).map_err(Trouble::of)?;
        stage.does(who, "verifies the HMAC: bob signed this, and nobody has changed it")?;

        let result = r#"{"commit":"4f2c1e","tests_passed":312}"#;
        let parsed = Document::parse(result.as_bytes()).map_err(Trouble::of)?;
        let receipt = Receipt {
            act: Act::Complete { result: Some(result_digest(parsed.root())) },
            claim_id: Some(claim_id),
            handoff_digest: Digest::of(sent.as_bytes()),
            handoff_id: HandoffId::parse("fix-login-test").map_err(Trouble::of)?,
            to_agent: agent("alice"),
        };
        let signed = receipt.sign(&self.key).to_base64();
        let body = format!("{{\"claim_id\":\"{claim_id}\",\"receipt\":\"{signed}\",\"result\":{result}}}");
        let completed = self.alice.post("/v1/handoffs/fix-login-test/complete", body).await?;
        stage.hears(who, "completes it, with a result and a receipt", &completed, 200, "completed")?;

        let story = self.bob.get("/v1/handoffs/fix-login-test").await?;
        let document = Document::parse(&story.body).map_err(Trouble::of)?;
        let shown = document.root().get("receipts").and_then(|all| all.get("complete")?.as_str());
        let mac = shown.and_then(|text| Mac::from_base64(&text));
        let mac =
            mac.ok_or_else(|| Trouble("The demo did not go as told: bob sees a receipt.".to_owned()))?;
        receipt.verify(&mac, std::slice::from_ref(&self.key)).map_err(Trouble::of)?;
        stage.hears("bob", "reads it, and verifies that alice signed for it", &story, 200, "completed")
    }

    async fn tamper(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.scene("Somebody changes one on its way")?;
        let signed = self.sign("renew-certificate", "renew it on staging", Millis::from_secs(3600))?;
        let tampered = signed.replace("staging", "production");
        stage.does("bob", "signs renew-certificate; on its way, staging becomes production")?;
        let started = self.start(&tampered).await?;
        stage.hears("the hub", "has no key, cannot tell, and relays it", &started, 201, "pending")?;
        let polled = self.alice.get("/v1/handoffs/poll").await?;
        let document = Document::parse(&polled.body).map_err(Trouble::of)?;
        let refused = seal::verify(&document, std::slice::from_ref(&self.key));
        ensure(refused.is_err(), "alice's verification refuses what was changed")?;
        stage.does("alice/laptop", "verifies: this is not what bob signed. She does not act on it")?;
        let reason = "{\"reason\":\"hmac_mismatch\"}".to_owned();
        let rejected = self.alice.post("/v1/handoffs/renew-certificate/reject", reason).await?;
        stage.hears("alice/laptop", "rejects it: hmac_mismatch", &rejected, 200, "rejected")
    }

    async fn expire(&self, stage: &mut Stage) -> Result<(), Trouble> {
        stage.scene("One that nobody takes in time")?;
        let sent = self.sign("call-back", "the customer is on the line", Millis(1000))?;
        let started = self.start(&sent).await?;
        stage.hears("bob", "sends call-back, good for one second", &started, 201, "pending")?;
        let mut beat = tokio::time::interval(BEAT);
        let rejected = async {
            loop {
                beat.tick().await;
                let story = self.bob.get("/v1/handoffs/call-back").await?;
                if story.word() != "pending" {
                    return Ok::<_, Trouble>(story);
                }
            }
        };
        let story = tokio::time::timeout(PATIENCE, rejected).await.map_err(Trouble::of)??;
        ensure(story.text("cause").as_deref() == Some("expired"), "it is rejected because it expired")?;
        stage.hears("bob", "looks again a second later: it has expired", &story, 200, "rejected")?;
        let late = self.alice.post("/v1/handoffs/call-back/accept", String::new()).await?;
        stage.hears("alice/server", "accepts too late", &late, 410, "expired")
    }

    async fn look(&self, stage: &mut Stage, data: &Path, sent: &str) -> Result<(), Trouble> {
        stage.scene("What lies on the disk")?;
        let open = self.sign("your-turn", "something to try by hand", Millis::from_secs(3600))?;
        let started = self.start(&open).await?;
        stage.hears("bob", "sends one more, which is left for you", &started, 201, "pending")?;
        let files = stage.tree(data)?;
        let told = [
            "handoff/your-turn.json",
            "archive/fix-login-test.json",
            "rejected/call-back.json",
            "rejected/renew-certificate.json",
        ];
        ensure(files == told, "each file lies where its status says")?;
        stage.line(
            "\n   archive/fix-login-test.json is what bob sent, byte for byte, and then what became of it:",
        )?;
        let story = stage.file(&data.join("archive/fix-login-test.json"))?;
        let lines = story.strip_prefix(sent).unwrap_or_default();
        let events = ["\"event\":\"claimed\"", "\"event\":\"completed\""];
        ensure(events.iter().all(|event| lines.contains(event)), "the file tells its own story")
    }

    /// How to go on by hand.
    fn invite(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let hub = self.bob.hub;
        stage.line("\nThe hub goes on until Ctrl-C. In another terminal:\n")?;
        stage.line(&format!("  export HUB=http://{hub}"))?;
        stage.line(&format!("  export ALICE='Authorization: Bearer {}'", self.alice.token))?;
        stage.line(&format!("  export BOB='Authorization: Bearer {}'\n", self.bob.token))?;
        stage.line("  curl -i -H \"$ALICE\" $HUB/v1/handoffs/poll")?;
        stage.line(
            "  curl -i -H \"$ALICE\" --json '{\"claim_id\":\"me\"}' $HUB/v1/handoffs/your-turn/accept",
        )?;
        stage.line(
            "  curl -i -H \"$ALICE\" --json '{\"claim_id\":\"me\",\"result\":\"done\"}' $HUB/v1/handoffs/your-turn/complete",
        )?;
        stage.line("  curl -i -H \"$BOB\" \"$HUB/v1/handoffs/your-turn?include=artifact\"")
    }

    /// An artifact from bob to alice, signed, laid out for people.
    fn sign(&self, id: &str, reason: &str, good_for: Millis) -> Result<String, Trouble> {
        let now = SystemClock::start().wall();
        let text = |time: Time| Rfc3339(time).to_string();
        let mut artifact = Artifact {
            protocol_version: 1,
            handoff_id: id,
            from_agent: "bob",
            to_agent: "alice",
            reason,
            initiated_at: text(now),
            expires_at: text(now.plus(good_for)),
            hmac: None,
        };
        let unsigned = serde_json::to_vec(&artifact).map_err(Trouble::of)?;
        let document = Document::parse(&unsigned).map_err(Trouble::of)?;
        artifact.hmac = Some(seal::sign(&self.key, &document).to_base64());
        serde_json::to_string_pretty(&artifact).map_err(Trouble::of)
    }

    async fn start(&self, artifact: &str) -> Result<Response, Trouble> {
        self.bob.post("/v1/handoffs", artifact.to_owned()).await
    }
}
