//! Builds the look-ups of a [`Net`].

use ipnet::IpNet;

use super::iface::{Iface, iface};
use super::{In, Net, PrefixEntries, blocks, is_gone};
use crate::model::aws::AwsList;
use crate::model::{AddrSet, Family, Str};

impl<'a> Net<'a> {
    pub(super) fn index_links(&mut self) {
        for (scope, s) in self.scopes.iter().enumerate() {
            for it in &s.egress_only_internet_gateways {
                self.internet_gateways.insert(it.egress_only_internet_gateway_id.as_str(), In { scope, it });
            }
            for instance in &s.instances {
                if let Some(state) = &instance.state {
                    self.instance_states.insert(&instance.instance_id, &state.name);
                }
            }
            for rule in &s.security_group_rules {
                self.group_rules.entry(&rule.group_id).or_default().push(rule);
            }
            for it in &s.network_acls {
                for association in &it.associations {
                    self.acl_of_subnet.insert(&association.subnet_id, In { scope, it });
                }
                if it.is_default {
                    self.default_acl.insert(&it.vpc_id, In { scope, it });
                }
            }
            for table in &s.route_tables {
                for association in table.associations.iter().filter(|a| !is_gone(a.association_state.as_ref())) {
                    if !association.subnet_id.is_empty() {
                        self.table_of_subnet.insert(&association.subnet_id, &table.route_table_id);
                    }
                    if association.main {
                        self.main_table.insert(&table.vpc_id, &table.route_table_id);
                    }
                }
            }
            for endpoint in &s.vpc_endpoints {
                for iface in &endpoint.network_interface_ids {
                    self.endpoint_of_iface.insert(iface, &endpoint.vpc_endpoint_id);
                }
            }
        }
    }

    pub(super) fn index_blocks(&mut self) {
        for s in self.scopes {
            for vpc in &s.vpcs {
                let sets = [Family::V4, Family::V6].map(|family| {
                    let associations =
                        vpc.cidr_block_association_set.iter().chain(&vpc.ipv6_cidr_block_association_set);
                    let live = associations.filter(|a| {
                        !is_gone(a.cidr_block_state.as_ref()) && !is_gone(a.ipv6_cidr_block_state.as_ref())
                    });
                    let texts = live.flat_map(|a| [a.cidr_block.as_str(), a.ipv6_cidr_block.as_str()]);
                    blocks(family, texts.chain([vpc.cidr_block.as_str()])).unwrap_or_else(|| AddrSet::empty(family))
                });
                self.vpc_blocks.insert(&vpc.vpc_id, sets);
            }
            let inline = s.prefix_lists.iter().filter_map(|list| {
                let cidrs = list.cidrs.as_ref()?;
                Some((&list.prefix_list_id, cidrs.iter().map(Str::as_str).collect::<Vec<_>>()))
            });
            let entries = s
                .prefix_list_entries
                .iter()
                .map(|list| (&list.prefix_list_id, list.entries.iter().map(|e| e.cidr.as_str()).collect::<Vec<_>>()));
            for (id, texts) in inline.chain(entries) {
                let nets: Option<Vec<IpNet>> = texts
                    .iter()
                    .filter(|t| !t.is_empty())
                    .map(|t| t.parse::<IpNet>().ok().map(|n| n.trunc()))
                    .collect();
                // A list of which an entry cannot be read is not known.
                if let Some(nets) = nets {
                    let sets = [Family::V4, Family::V6].map(|family| AddrSet::from_nets(family, nets.iter().copied()));
                    self.prefix_lists.insert(id, PrefixEntries { nets, sets });
                }
            }
        }
    }

    pub(super) fn index_ifaces(&mut self) {
        let mut ifaces: Vec<Iface<'a>> = Vec::new();
        for (scope, s) in self.scopes.iter().enumerate() {
            ifaces.extend(s.network_interfaces.iter().map(|it| iface(scope, it, None)));
            let known: rustc_hash::FxHashSet<&str> =
                s.network_interfaces.iter().map(|i| i.network_interface_id.as_str()).collect();
            for instance in &s.instances {
                let unlisted = instance.network_interfaces.iter();
                let unlisted = unlisted.filter(|i| !known.contains(i.network_interface_id.as_str()));
                ifaces.extend(unlisted.map(|it| iface(scope, it, Some(&instance.instance_id))));
            }
        }
        ifaces.sort_by(|a, b| a.id.cmp(b.id));
        ifaces.dedup_by(|a, b| a.id == b.id);
        for (i, iface) in (0u32..).zip(&ifaces) {
            self.iface_by_id.insert(iface.id, i);
            for (ip, _) in &iface.addresses {
                self.by_address.entry(*ip).or_default().push(i);
            }
            if !iface.prefixes.is_empty() {
                self.with_prefixes.push(i);
            }
            if let Some(instance) = iface.instance {
                self.by_instance.entry(instance).or_default().push(i);
            }
            for group in &iface.groups {
                self.by_group.entry(group).or_default().push(i);
            }
        }
        self.ifaces = ifaces;
    }

    pub(super) fn index_narrow(&mut self) {
        let mut texts: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
        for s in self.scopes {
            for permission in s.security_groups.iter().flat_map(|g| g.ip_permissions.iter().flatten()) {
                texts.extend(permission.ip_ranges.iter().map(|r| r.cidr_ip.as_str()));
                texts.extend(permission.ipv6_ranges.iter().map(|r| r.cidr_ipv6.as_str()));
            }
            for rule in s.security_group_rules.iter().filter(|r| !r.is_egress) {
                texts.extend([rule.cidr_ipv4.as_str(), rule.cidr_ipv6.as_str()]);
            }
            for entry in s.network_acls.iter().flat_map(|a| &a.entries) {
                texts.extend([entry.cidr_block.as_str(), entry.ipv6_cidr_block.as_str()]);
            }
            for table in &s.route_tables {
                texts.extend(table.routes.iter().map(crate::cloud::route::destination));
            }
        }
        let subnets: Vec<AddrSet> = self
            .subnets
            .keys()
            .flat_map(|id| [Family::V4, Family::V6].map(|family| self.subnet_blocks(id, family)))
            .flatten()
            .collect();
        let written = texts.into_iter().filter_map(|t| t.parse::<IpNet>().ok()).map(|n| AddrSet::net(n.trunc()));
        let listed = self.prefix_lists.values().flat_map(|list| &list.nets).map(|net| AddrSet::net(*net));
        // Where a subnet was not read, any block may be narrower than it.
        let all_read = self.scopes.iter().all(|s| s.has(AwsList::Subnets));
        let is_narrow = |block: &AddrSet| !all_read || subnets.iter().any(|s| block.is_subset(s) && block != s);
        self.narrow = written.chain(listed).filter(is_narrow).collect();
        self.narrow.sort_by_key(AddrSet::first);
        self.narrow.dedup();
    }
}
