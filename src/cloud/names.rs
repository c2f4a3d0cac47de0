//! What Route 53 Resolver does with one name that is asked for in a VPC: DNS Firewall first, then the rules that say
//! who answers.

use super::net::Net;
use super::resolve::name_covers;
use crate::model::aws::{AwsList, FirewallRule, FirewallRuleGroupAssociation, ResolverRule};
use crate::model::{CoverageState, Decided, Evidence};

/// What becomes of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The public answer; what is taken for granted then.
    Public(Vec<String>),
    /// DNS Firewall answers instead.
    Blocked(String, Vec<Evidence>),
    /// It cannot be told.
    Unsure(String, Vec<Evidence>),
}

/// Rules that every VPC has; they change nothing.
const DEFAULT: &str = "rslvr-autodefined-";

/// Whether anything was read of what the resolver of a VPC does with names.
pub fn is_read(net: &Net<'_>, vpc: &str) -> bool {
    [AwsList::FirewallRuleGroupAssociations, AwsList::ResolverRuleAssociations]
        .iter()
        .any(|list| associations_are_read(net, vpc, *list) != Ok(false))
        || groups_of(net, vpc).next().is_some()
        || rule_ids_of(net, vpc).next().is_some()
}

/// What is taken for granted about a VPC's resolver, because nobody collected it.
pub fn taken_for_granted(net: &Net<'_>, vpc: &str) -> String {
    let is_unread = |list| associations_are_read(net, vpc, list) == Ok(false);
    let unread = [
        (AwsList::ResolverRuleAssociations, "forwarding rule"),
        (AwsList::FirewallRuleGroupAssociations, "DNS firewall"),
    ];
    let mut named: Vec<&str> = unread.iter().filter(|(list, _)| is_unread(*list)).map(|(_, name)| *name).collect();
    named.push("private zone");
    let last = named.pop().unwrap_or_default();
    let before = named.join(", ");
    let all = if before.is_empty() { last.to_owned() } else { format!("{before} or {last}") };
    format!("no {all} of {vpc} changes the answer")
}

/// What becomes of the lookup of a name in a VPC.
pub fn answer(net: &Net<'_>, vpc: &str, host: &str) -> Answer {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match (filtered(net, vpc, &host), forwarded(net, vpc, &host)) {
        (blocked @ Answer::Blocked(..), _) => blocked,
        (unsure @ Answer::Unsure(..), _) | (_, unsure @ Answer::Unsure(..)) => unsure,
        (public, _) => public,
    }
}

/// Whether somebody else than the resolver itself may answer for a name, and why.
pub fn is_forwarded(net: &Net<'_>, vpc: &str, host: &str) -> Option<String> {
    match forwarded(net, vpc, &host.trim_end_matches('.').to_ascii_lowercase()) {
        Answer::Unsure(why, _) => Some(why),
        Answer::Public(_) | Answer::Blocked(..) => None,
    }
}

/// Whether the associations of a VPC were read whole; an error where some may be missing.
fn associations_are_read(net: &Net<'_>, vpc: &str, list: AwsList) -> Result<bool, String> {
    let Some(scope) = net.vpc(vpc).map(|found| found.scope) else {
        // Without the VPC it is not known which scope it is in.
        return Ok(net.scopes.iter().any(|scope| scope.has(list)));
    };
    match net.scopes[scope].read.get(&list) {
        Some(CoverageState::Read) => Ok(true),
        None | Some(CoverageState::NotRequested | CoverageState::NotInstalled) => Ok(false),
        Some(CoverageState::Forbidden | CoverageState::Failed(_)) => Err(net.not_collected(scope, list)),
    }
}

fn groups_of<'n>(net: &'n Net<'_>, vpc: &'n str) -> impl Iterator<Item = &'n FirewallRuleGroupAssociation> {
    net.scopes.iter().flat_map(|s| &s.firewall_rule_group_associations).filter(move |a| a.vpc_id == *vpc)
}

fn rule_ids_of<'n>(net: &'n Net<'_>, vpc: &'n str) -> impl Iterator<Item = (&'n str, &'n str)> {
    let all = net.scopes.iter().flat_map(|s| &s.resolver_rule_associations).filter(move |a| a.vpc_id == *vpc);
    all.map(|a| (&*a.resolver_rule_id, &*a.status)).filter(|(id, _)| !id.starts_with(DEFAULT))
}

/// A part of DNS Firewall, in the order in which the parts are gone through.
enum Gate<'a> {
    Rule(&'a FirewallRule),
    /// It may do anything.
    Unread(String),
}

/// By DNS Firewall (Route 53 guide, "How DNS Firewall works"): groups by priority, and the rules of a group by
/// priority. The first rule that matches decides; `ALERT` lets pass as `ALLOW` does.
fn filtered(net: &Net<'_>, vpc: &str, host: &str) -> Answer {
    let mut groups: Vec<&FirewallRuleGroupAssociation> = groups_of(net, vpc).collect();
    groups.sort_by_key(|group| group.priority);
    let mut gates = Vec::new();
    if let Err(why) = associations_are_read(net, vpc, AwsList::FirewallRuleGroupAssociations) {
        gates.push(Gate::Unread(why));
    }
    for group in groups {
        let id = &*group.firewall_rule_group_id;
        if !group.status.is_empty() && group.status != "COMPLETE" {
            gates.push(Gate::Unread(format!("whether {vpc} uses DNS Firewall {id} is changing ({})", &*group.status)));
            continue;
        }
        let mut rules: Vec<&FirewallRule> =
            net.scopes.iter().flat_map(|s| &s.firewall_rules).filter(|r| *r.firewall_rule_group_id == *id).collect();
        let is_part = net.scopes.iter().any(|s| s.read.get(&AwsList::FirewallRules).is_some_and(|r| r.is_incomplete()));
        if rules.is_empty() || is_part {
            let why = format!(
                "the rules of DNS Firewall {id}, which {vpc} uses, were not collected (aws route53resolver \
                 list-firewall-rules --firewall-rule-group-id {id})"
            );
            gates.push(Gate::Unread(why));
            continue;
        }
        rules.sort_by_key(|rule| rule.priority);
        gates.extend(rules.into_iter().map(Gate::Rule));
    }
    through(net, host, &gates)
}

fn through(net: &Net<'_>, host: &str, gates: &[Gate<'_>]) -> Answer {
    let Some((gate, rest)) = gates.split_first() else { return Answer::Public(Vec::new()) };
    let rule = match gate {
        Gate::Rule(rule) => rule,
        Gate::Unread(why) => return Answer::Unsure(why.clone(), Vec::new()),
    };
    let by = vec![cite(net, rule)];
    let decided = match &*rule.action {
        "ALLOW" | "ALERT" => Answer::Public(Vec::new()),
        "BLOCK" => Answer::Blocked(blocks(rule, host), by.clone()),
        other => Answer::Unsure(format!("{} does `{other}`, which is not known", title(rule)), by.clone()),
    };
    match matches(net, rule, host) {
        Ok(true) => decided,
        Ok(false) => match through(net, host, rest) {
            // The name is let through, unless it is an alias of one that is not.
            Answer::Public(mut assumptions) if rule.action == "BLOCK" && looks_behind_aliases(rule) => {
                let assumption = format!("{host} is no alias (CNAME) of a name that DNS Firewall blocks");
                if !assumptions.contains(&assumption) {
                    assumptions.push(assumption);
                }
                Answer::Public(assumptions)
            }
            answer => answer,
        },
        Err(why) => match (decided, through(net, host, rest)) {
            (Answer::Public(_), public @ Answer::Public(_)) => public,
            // Whether this rule or that one.
            (Answer::Blocked(..), blocked @ Answer::Blocked(..)) => blocked,
            _ => Answer::Unsure(why, by),
        },
    }
}

/// Whether a rule of DNS Firewall matches a name.
fn matches(net: &Net<'_>, rule: &FirewallRule, host: &str) -> Result<bool, String> {
    let of_addresses = ["", "A", "TYPE1", "AAAA", "TYPE28"];
    if !of_addresses.contains(&&*rule.qtype) {
        return Ok(false);
    }
    if rule.firewall_domain_list_id.is_empty() {
        let id = &*rule.firewall_threat_protection_id;
        return Err(format!(
            "{} looks for threats by heuristics ({id}), which cannot be told from outside",
            title(rule)
        ));
    }
    let list = &*rule.firewall_domain_list_id;
    let mut read = net.scopes.iter().flat_map(|s| &s.firewall_domains).filter(|d| *d.firewall_domain_list_id == *list);
    let unread = || {
        format!(
            "the domains of {list}, at which {} looks, were not collected (aws route53resolver list-firewall-domains \
             --firewall-domain-list-id {list})",
            title(rule)
        )
    };
    let Some(domains) = read.next() else { return Err(unread()) };
    if domains.domains.iter().any(|pattern| covers(pattern, host)) {
        // One of the two families, and which one a build gets along with is not known.
        return match &*rule.qtype {
            "" => Ok(true),
            qtype => Err(format!("{} is for lookups of type {qtype} only", title(rule))),
        };
    }
    let is_part = net.scopes.iter().any(|s| s.read.get(&AwsList::FirewallDomains).is_some_and(|r| r.is_incomplete()));
    if is_part { Err(unread()) } else { Ok(false) }
}

/// Whether a domain of a list covers a name (Route 53 guide, "Route 53 Resolver DNS Firewall domain lists").
fn covers(pattern: &str, host: &str) -> bool {
    let pattern = pattern.trim_end_matches('.').to_ascii_lowercase();
    pattern == "*" || name_covers(&pattern, host)
}

fn looks_behind_aliases(rule: &FirewallRule) -> bool {
    rule.firewall_domain_redirection_action != "TRUST_REDIRECTION_DOMAIN"
}

fn title(rule: &FirewallRule) -> String {
    format!("rule {} of DNS Firewall {}", rule.priority, &*rule.firewall_rule_group_id)
}

fn blocks(rule: &FirewallRule, host: &str) -> String {
    let how = match &*rule.block_response {
        "NODATA" => "it answers that there is no such record",
        "NXDOMAIN" => "it answers that there is no such name",
        "OVERRIDE" => "it answers with another name",
        _ => "it gives no answer",
    };
    format!("{} blocks {host}: {how}", title(rule))
}

fn cite(net: &Net<'_>, rule: &FirewallRule) -> Evidence {
    let path = Some(format!("#{}", rule.priority));
    let mut cited = net.cite("FirewallRuleGroup", &rule.firewall_rule_group_id, path, rule.origin, Decided::ByRule);
    if !rule.firewall_domain_list_id.is_empty() {
        cited.detail = Some(format!("{} names of {}", &*rule.action, &*rule.firewall_domain_list_id));
    }
    cited
}

/// By the resolver's rules (Route 53 guide, "How Resolver determines whether the domain name in a query matches any
/// rules"): the most specific domain counts.
fn forwarded(net: &Net<'_>, vpc: &str, host: &str) -> Answer {
    let list = AwsList::ResolverRuleAssociations;
    if let Err(why) = associations_are_read(net, vpc, list) {
        return Answer::Unsure(why, Vec::new());
    }
    let mut best: Option<(usize, &ResolverRule, &str)> = None;
    for (id, status) in rule_ids_of(net, vpc) {
        let Some(rule) = net.scopes.iter().flat_map(|s| &s.resolver_rules).find(|rule| *rule.id == *id) else {
            let why = format!(
                "the domain of resolver rule {id}, which {vpc} uses, was not collected (aws route53resolver \
                 list-resolver-rules)"
            );
            return Answer::Unsure(why, Vec::new());
        };
        let domain = rule.domain_name.trim_matches('.').to_ascii_lowercase();
        let is_within = domain.is_empty() || host == domain || name_covers(&format!("*.{domain}"), host);
        if is_within && best.is_none_or(|(longest, ..)| domain.len() >= longest) {
            best = Some((domain.len(), rule, status));
        }
    }
    let Some((_, rule, status)) = best else { return Answer::Public(Vec::new()) };
    let by = vec![net.cite("ResolverRule", &rule.id, None, rule.origin, Decided::ByRule)];
    let domain = &*rule.domain_name;
    if !status.is_empty() && status != "COMPLETE" {
        return Answer::Unsure(format!("whether {vpc} uses resolver rule {} is not settled ({status})", &*rule.id), by);
    }
    match &*rule.rule_type {
        "SYSTEM" | "RECURSIVE" => Answer::Public(Vec::new()),
        "FORWARD" => {
            let address =
                |t: &crate::model::aws::TargetAddress| if t.ip.is_empty() { t.ipv6.clone() } else { t.ip.clone() };
            let to: Vec<_> = rule.target_ips.iter().map(|t| address(t).to_string()).collect();
            let to = if to.is_empty() { "elsewhere".to_owned() } else { format!("to {}", to.join(", ")) };
            Answer::Unsure(
                format!("lookups of {domain} are forwarded {to} ({}), and what answers there is not known", &*rule.id),
                by,
            )
        }
        other => Answer::Unsure(format!("resolver rule {} for {domain} is of type `{other}`", &*rule.id), by),
    }
}
