//! Where a provider is to keep what it has read, so that a later request that begins alike costs less.
//!
//! Source: <https://platform.claude.com/docs/en/build-with-claude/prompt-caching>. OpenAI's models do so by themselves.

use crate::json::Node;
use crate::{ChatRequest, Part, Refusal};

/// The most points of one request, at Anthropic and at Bedrock.
const MOST_POINTS: usize = 4;

/// Reads whether what a block says is to be kept with all that comes before it. For how long is the usual: keeping for an hour has
/// a price of its own, which nobody is billed.
pub(crate) fn point(block: &Node) -> Result<bool, Refusal> {
    let Some(wish) = block.opt("cache_control")? else {
        return Ok(false);
    };
    if wish.kind()? != "ephemeral" {
        return Err(wish.unknown_kind("ephemeral"));
    }
    if let Some(ttl) = wish.opt("ttl")?
        && !matches!(ttl.text()?, "5m" | "1h")
    {
        return Err(ttl.fail("This has to be 5m or 1h."));
    }
    Ok(true)
}

/// A part with the point that its block has.
pub(crate) fn and_point(part: Part, block: &Node) -> Result<impl Iterator<Item = Part>, Refusal> {
    let point = point(block)?.then_some(Part::CachePoint);
    Ok(std::iter::once(part).chain(point))
}

/// Refuses more points than a provider takes.
pub(crate) fn few(request: &ChatRequest, root: &Node) -> Result<(), Refusal> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let points = parts.filter(|part| **part == Part::CachePoint).count();
    let tools = request.tools.iter().filter(|tool| tool.cache_point);
    if points + tools.count() + usize::from(request.caches) > MOST_POINTS {
        let message = format!("There may be {MOST_POINTS} cache_control at most.");
        return Err(root.fail(message).coded("invalid_value"));
    }
    Ok(())
}
