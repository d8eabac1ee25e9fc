//! Stage 1, gate: who is able and allowed?
//!
//! The law comes before any optimisation, and again on every retry, fallback and hedge, because every attempt makes
//! this walk anew. The chosen form: each deployment carries its capabilities, agreements, region, provider and the
//! compliance clauses it meets as bits of a word, so a gate is a handful of ANDs for the few candidates a walk looks
//! at. Rejected: one bitset over the whole fleet per condition. Building it costs time in the size of the fleet, and a
//! walk that draws two candidates throws nearly all of it away (docs/decisions/003).

use crate::fleet::{Deployment, Fleet};
use crate::refusal::Refusal;
use crate::request::{Needs, Request};
use crate::rules::Flag;
use crate::spec::Prune;

/// What a deployment must meet to see this request.
#[derive(Clone, Debug)]
pub struct Terms<'r> {
    needs: Needs,
    /// Compliance clauses that bind this request, one bit each.
    clauses: u64,
    regions: Option<u64>,
    providers: Option<u64>,
    excluded_providers: u64,
    agreements: u64,
    /// An agreement was asked for that no deployment has.
    unknown_agreement: bool,
    /// Whose tags are asked for the tenant, where that matters.
    request: &'r Request<'r>,
    input_tokens: u64,
    output_tokens: u64,
    estimated: bool,
    /// What the prompt is cut to in the group that is looked at.
    cut: Cut,
}

/// To what size a prompt is cut before it is sent.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    /// So many tokens, of whichever tokenizer.
    Tokens(u64),
    /// So many tokens in the measure in which the request came.
    Prompt(u64),
}

impl<'r> Terms<'r> {
    /// The terms of `request` under the law of `fleet`. `output_tokens` is the bound on the answer, 0 if there is none.
    #[must_use]
    pub fn of(fleet: &Fleet, request: &'r Request<'r>, output_tokens: u64) -> Self {
        let mut clauses = 0_u64;
        if !fleet.clauses.is_empty() {
            fleet.clauses.for_each_match(request, |index| clauses |= 1 << index);
        }
        let only = |names: &crate::fleet::NameBits, list: &[&str]| (!list.is_empty()).then(|| names.mask(list));
        Self {
            needs: request.needs,
            clauses,
            regions: only(&fleet.regions, request.regions),
            providers: only(&fleet.providers, request.providers),
            excluded_providers: fleet.providers.mask(request.exclude_providers),
            agreements: fleet.agreements.mask(request.agreements),
            unknown_agreement: request.agreements.iter().any(|name| fleet.agreements.bit(name) == 0),
            request,
            input_tokens: request.input_tokens,
            output_tokens,
            estimated: request.estimated,
            cut: Cut::Whole,
        }
    }

    /// The first reason why `deployment` may not take the request, if there is one.
    #[must_use]
    #[inline]
    pub fn refuse(&self, deployment: &Deployment) -> Option<Refusal> {
        let unmet = self.clauses & !deployment.satisfies;
        if unmet != 0 {
            return Some(Refusal::Clause(unmet.trailing_zeros()));
        }
        if self.regions.is_some_and(|regions| regions & deployment.region_bit == 0) {
            return Some(Refusal::Region);
        }
        if self.providers.is_some_and(|providers| providers & deployment.provider_bit == 0)
            || self.excluded_providers & deployment.provider_bit != 0
        {
            return Some(Refusal::Provider);
        }
        if self.unknown_agreement || self.agreements & !deployment.agreements != 0 {
            return Some(Refusal::Agreement);
        }
        if !deployment.tenants.is_empty() && !self.tenant_may_use(deployment) {
            return Some(Refusal::Tenant);
        }
        let missing = self.needs.missing_in(deployment.capabilities);
        if !missing.is_empty() {
            return Some(Refusal::Capability(missing));
        }
        if self.output_tokens > deployment.max_output_tokens {
            return Some(Refusal::Output);
        }
        // A model that embeds has its context for each input alone, and the core knows their sum only: what is too long
        // is the provider's to refuse.
        if self.needs.has(Flag::Embeddings) {
            return (deployment.weight <= 0.0).then_some(Refusal::Drained);
        }
        let input_tokens = self.prompt_tokens(deployment);
        if input_tokens.saturating_add(self.output_tokens) > deployment.context_tokens {
            return Some(Refusal::Context);
        }
        (deployment.weight <= 0.0).then_some(Refusal::Drained)
    }

    /// Tokens of the prompt as this deployment would get it: counted by its tokenizer, and cut if that is asked for.
    #[must_use]
    #[inline]
    pub fn prompt_tokens(&self, deployment: &Deployment) -> u64 {
        let whole = deployment.tokens_of(self.input_tokens, self.estimated);
        match self.cut {
            Cut::Whole => whole,
            Cut::Tokens(most) => whole.min(most),
            Cut::Prompt(most) => whole.min(deployment.tokens_of(most, self.estimated)),
        }
    }

    /// From here on prompts are judged as they are once cut. A prompt that is to fit the context is cut to the roomiest
    /// one of the group and no further: members that hold less are not for it.
    #[inline]
    pub fn cut_to(&mut self, prune: Option<Prune>, roomiest: Option<&Deployment>) {
        self.cut = match (prune, roomiest) {
            (None, _) | (Some(Prune::Context), None) => Cut::Whole,
            (Some(Prune::Tokens(most)), _) => Cut::Tokens(most),
            (Some(Prune::Context), Some(place)) => {
                let room = place.context_tokens.saturating_sub(self.output_tokens);
                Cut::Prompt(if self.estimated { place.measured(room) } else { room })
            }
        };
    }

    #[cold]
    fn tenant_may_use(&self, deployment: &Deployment) -> bool {
        self.request.tag("tenant").is_some_and(|asked| deployment.tenants.iter().any(|tenant| **tenant == *asked))
    }
}
