//! Random fleets, requests and fates, and a naive reading of the law beside them.

use junctor_core::draw::Draw;
use junctor_core::outcome::{Ending, Fault, Outcome};
use junctor_core::request::{Needs, Request};
use junctor_core::spec::FleetSpec;
use junctor_core::units::Nanos;
use serde_json::{Value, json};

use super::secs;

const REGIONS: [&str; 3] = ["eu", "us", ""];
const PROVIDERS: [&str; 3] = ["acme", "globex", "initech"];
const AGREEMENTS: [&str; 2] = ["baa", "dpa"];
const CLASSES: [&str; 2] = ["phi", "pii"];
const TENANTS: [&str; 2] = ["north", "south"];
const CAPABILITIES: [&str; 3] = ["tools", "images", "streaming"];

/// A fleet, and the law in it as plain lists.
pub struct Scramble {
    pub fleet: Value,
}

fn some<'w>(draw: &mut Draw, words: &[&'w str], share: f64) -> Vec<&'w str> {
    words.iter().copied().filter(|_| draw.unit() < share).collect()
}

fn one<'w>(draw: &mut Draw, words: &[&'w str]) -> &'w str {
    words[draw.below(words.len() as u64) as usize]
}

impl Scramble {
    /// Up to eight deployments in two groups with a fallback, limits, clauses, rules. No limit of concurrency: when
    /// one frees is a guess.
    pub fn fleet(draw: &mut Draw) -> Self {
        let count = 2 + draw.below(7) as usize;
        let names: Vec<String> = (0..count).map(|at| format!("d{at}")).collect();
        let deployments: Vec<_> = names.iter().map(|name| Self::deployment(draw, name)).collect();
        let mut pools = vec![json!({"name": "shared", "limits": [
            {"dimension": "rpm", "limit": 40, "burst_s": 20.0}, {"dimension": "tpm", "limit": 30_000}]})];
        pools.extend(names.iter().map(|name| {
            json!({"name": name, "limits": [
                {"dimension": "rpm", "limit": 5 + draw.below(20)}, {"dimension": "usd_per_day", "limit": 1_000_000, "calendar": []}]})
        }));
        let cut = 1 + draw.below(count as u64 - 1) as usize;
        let objective = one(draw, &["balanced", "balanced", "cheapest", "fastest", "best"]);
        let fleet = json!({
            "config_hash": "scrambled", "pools": pools, "deployments": deployments,
            "groups": [{"name": "front", "members": names[..cut], "fallback": ["back"], "objective": objective},
                       {"name": "back", "members": names[cut..]}],
            "compliance": [
                {"name": "phi", "when": {"attribute": "data", "one_of": ["phi"]}, "require": {"data": ["phi"], "agreements": ["baa"]}},
                {"name": "pii", "when": {"attribute": "data", "one_of": ["pii"]}, "require": {"region": ["eu"], "not_provider": ["globex"]}}],
            "rules": [
                {"name": "bulk", "when": {"attribute": "task", "one_of": ["bulk"]}, "action": {"use": "back", "max_tokens": 64}},
                {"name": "cheap", "when": {"attribute": "task", "one_of": ["cheap"]}, "action": {"use": "front", "max_cost_usd_micros": 2_000}},
                {"name": "rest", "action": {"use": "front"}}],
        });
        Self { fleet }
    }

    fn deployment(draw: &mut Draw, name: &str) -> Value {
        json!({
            "name": name, "model": format!("m/{}", draw.below(3)), "provider": one(draw, &PROVIDERS),
            "region": one(draw, &REGIONS), "agreements": some(draw, &AGREEMENTS, 0.6), "data": some(draw, &CLASSES, 0.6),
            "tenants": some(draw, &TENANTS, 0.2), "capabilities": some(draw, &CAPABILITIES, 0.8),
            "context_tokens": 4_000 + draw.below(8_000), "max_output_tokens": 500 + draw.below(1_000),
            "weight": ([0.0, 0.5, 1.0, 3.0][draw.below(4) as usize]), "quality": draw.unit(),
            "price": {"input": draw.below(3_000_000), "output": draw.below(9_000_000)},
            "pools": if draw.unit() < 0.5 { vec!["shared", name] } else { vec![name] },
            "accounting": {"output": one(draw, &["max_tokens", "learned", "none"])},
        })
    }

    /// The fleet for the core, if it is one: a group whose members are all drained is not.
    pub fn spec(&self) -> FleetSpec {
        serde_json::from_value(self.fleet.clone()).unwrap()
    }

    /// Whether the law and its abilities let `name` take this request: read from the JSON, one plain question each.
    pub fn allows(&self, name: &str, ask: &Request<'_>) -> bool {
        let all = self.fleet["deployments"].as_array().unwrap();
        let it = all.iter().find(|deployment| deployment["name"] == name).unwrap();
        let text = |key: &str| it[key].as_str().unwrap();
        let lists = |key: &str, word: &str| it[key].as_array().unwrap().iter().any(|listed| listed == word);
        let output = self.answer_bound(ask);
        let law = match ask.tag("data") {
            Some("phi") => lists("data", "phi") && lists("agreements", "baa"),
            Some("pii") => text("region") == "eu" && text("provider") != "globex",
            _ => true,
        };
        let no_tenants = it["tenants"].as_array().unwrap().is_empty();
        law && (ask.regions.is_empty() || ask.regions.contains(&text("region")))
            && (ask.providers.is_empty() || ask.providers.contains(&text("provider")))
            && !ask.exclude_providers.contains(&text("provider"))
            && ask.agreements.iter().all(|agreement| lists("agreements", agreement))
            && (no_tenants || ask.tag("tenant").is_some_and(|tenant| lists("tenants", tenant)))
            && ask.needs.names().all(|need| lists("capabilities", need))
            && output <= it["max_output_tokens"].as_u64().unwrap()
            && ask.input_tokens + output <= it["context_tokens"].as_u64().unwrap()
            && it["weight"].as_f64().unwrap() > 0.0
            && !ask.tried.contains(&name)
    }

    fn answer_bound(&self, ask: &Request<'_>) -> u64 {
        let cap = (ask.model == "auto" && ask.tag("task") == Some("bulk")).then_some(64);
        ask.output_tokens.into_iter().chain(cap).min().unwrap_or(0)
    }
}

/// A request that owns nothing: all its words are constants.
pub struct Ask {
    tags: Vec<(&'static str, &'static str)>,
    lists: [Vec<&'static str>; 4],
    tried: Vec<&'static str>,
    model: &'static str,
    needs: Needs,
    input_tokens: u64,
    output_tokens: Option<u64>,
    affinity: Option<u64>,
}

impl Ask {
    pub fn new(draw: &mut Draw) -> Self {
        let mut tags = Vec::new();
        let words: [(&str, &[&str], f64); 3] =
            [("data", &CLASSES, 0.3), ("tenant", &TENANTS, 0.5), ("task", &["bulk", "cheap", "chat"], 0.5)];
        for (name, values, share) in words {
            if draw.unit() < share {
                tags.push((name, one(draw, values)));
            }
        }
        let named = some(draw, &CAPABILITIES, 0.2);
        Self {
            tags,
            lists: [
                some(draw, &["eu", "us"], 0.15),
                some(draw, &PROVIDERS, 0.1),
                some(draw, &PROVIDERS, 0.1),
                some(draw, &AGREEMENTS, 0.1),
            ],
            tried: some(draw, &["d0", "d1", "d2", "d3", "nobody"], 0.1),
            model: one(draw, &["auto", "front", "front", "back", "m/0", "d1"]),
            needs: named.into_iter().filter_map(Needs::named).fold(Needs::NONE, Needs::and),
            input_tokens: draw.below(6_000),
            output_tokens: (draw.unit() < 0.7).then(|| draw.below(600)),
            affinity: (draw.unit() < 0.2).then(|| draw.below(20)),
        }
    }

    pub fn request(&self) -> Request<'_> {
        let [regions, providers, exclude_providers, agreements] = &self.lists;
        Request {
            needs: self.needs,
            tags: &self.tags,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            affinity: self.affinity,
            tried: &self.tried,
            regions,
            providers,
            exclude_providers,
            agreements,
            ..Request::plain(self.model)
        }
    }
}

/// How an attempt ends in this world: well in half of all cases.
pub fn fate(draw: &mut Draw) -> Outcome<'static> {
    let ending = match draw.below(20) {
        0 | 1 => Ending::Throttled,
        2 => Ending::Exhausted,
        3 => Ending::Misconfigured,
        4 => Ending::CallersFault,
        5 => Ending::Cancelled { sent: true },
        6 => Ending::Cancelled { sent: false },
        7 | 8 => Ending::Failed(Fault::Down),
        9 => Ending::Failed(Fault::Silent),
        _ => Ending::Succeeded,
    };
    let known = draw.unit() < 0.8;
    Outcome {
        input_tokens: known.then(|| draw.below(3_000)),
        output_tokens: known.then(|| draw.below(2_000)),
        first_content: (draw.unit() < 0.5).then(|| secs(draw.unit() * 3.0)),
        retry_after: (draw.unit() < 0.3).then(|| secs(draw.unit() * 20.0)),
        ..Outcome::bare(ending)
    }
}

/// A pause: nearly always short, now and then long enough for breakers to come back.
pub fn pause(draw: &mut Draw) -> Nanos {
    secs(if draw.unit() < 0.05 { draw.unit() * 400.0 } else { draw.unit() * 0.5 })
}
