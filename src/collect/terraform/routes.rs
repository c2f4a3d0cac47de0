//! Route tables of a plan: their routes, and which subnets have them.

use serde_json::Value;

use super::apply::{Apply, ENDPOINT, INTERFACE, Link, PREFIX_LIST, SUBNET, TABLE, VPC, entry, tell};
use super::plan::{Got, Resource, got};
use super::refs::made_part;
use crate::model::Str;
use crate::model::aws::{AwsList, Route, RouteTable, RouteTableAssociation};

const ROUTES: &[&str] = &["aws_route"];
const ASSOCIATIONS: &[&str] = &["aws_route_table_association"];
const MAIN: &[&str] = &["aws_main_route_table_association"];

/// The attributes that name where a route leads, with the types of what they name and the list that holds these.
const TARGETS: &[(&str, &[&str], Option<AwsList>)] = &[
    ("gateway_id", &["aws_internet_gateway", "aws_vpn_gateway"], Some(AwsList::InternetGateways)),
    ("nat_gateway_id", &["aws_nat_gateway"], Some(AwsList::NatGateways)),
    ("egress_only_gateway_id", &["aws_egress_only_internet_gateway"], Some(AwsList::EgressOnlyInternetGateways)),
    ("transit_gateway_id", &["aws_ec2_transit_gateway"], Some(AwsList::TransitGatewayVpcAttachments)),
    ("vpc_peering_connection_id", &["aws_vpc_peering_connection"], Some(AwsList::VpcPeeringConnections)),
    ("vpc_endpoint_id", ENDPOINT, Some(AwsList::VpcEndpoints)),
    ("network_interface_id", INTERFACE, Some(AwsList::NetworkInterfaces)),
    ("instance_id", &["aws_instance"], Some(AwsList::Instances)),
    ("local_gateway_id", &[], None),
    ("carrier_gateway_id", &["aws_ec2_carrier_gateway"], None),
    ("core_network_arn", &[], None),
    ("odb_network_arn", &[], None),
];

impl Apply<'_> {
    pub(super) fn route_tables(&mut self) {
        let mut unknown = Vec::new();
        for resource in self.of(TABLE) {
            let id = self.refs.id(resource);
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let routes = self.inline_routes(resource);
            let origin = self.origin(resource);
            let propagates = !matches!(resource.get("propagating_vgws"), Got::Value(Value::Array(all)) if all.is_empty())
                && (resource.get("propagating_vgws") != Got::Unknown
                    || self.refs.is_configured(resource, "propagating_vgws"))
                && resource.get("propagating_vgws") != Got::Null;
            let make = |route_table_id| RouteTable { route_table_id, ..RouteTable::default() };
            let (table, is_made) = entry(&mut self.scope.route_tables, &id, make);
            tell(&mut table.vpc_id, vpc);
            if is_made || resource.changes() {
                table.origin = origin;
                // What comes from elsewhere, the provider does not show among the routes.
                table.routes.retain(is_from_elsewhere);
                table.routes.iter_mut().for_each(|route| route.line = 0);
                table.routes.extend(routes.iter().flatten().cloned());
            }
            if resource.kind == "aws_default_route_table" && !table.associations.iter().any(|a| a.main) && is_made {
                table.associations.push(RouteTableAssociation { main: true, ..RouteTableAssociation::default() });
            }
            // A gateway tells a table that is new here routes that no document shows.
            if routes.is_none() || (is_made && propagates) {
                self.doubt(AwsList::RouteTables, resource, "a route");
                unknown.push(id);
            }
        }
        self.own_routes(&mut unknown);
        self.endpoint_routes();
        self.local_routes();
        self.main_tables();
        if let Some(unsure) = self.table_subnets() {
            self.default_tables(&unsure);
        }
        self.scope.route_tables.retain(|table| !unknown.contains(&table.route_table_id));
    }

    /// The routes that stand inside a table; `None` if a destination is not known.
    fn inline_routes(&mut self, resource: &Resource) -> Option<Vec<Route>> {
        let blocks = match resource.get("route") {
            Got::Value(Value::Array(blocks)) => blocks,
            Got::Null => return Some(Vec::new()),
            Got::Unknown if resource.is_new() && !self.refs.is_configured(resource, "route") => {
                return Some(Vec::new());
            }
            Got::Unknown | Got::Value(_) => return None,
        };
        let unknown = resource.unknown.get("route");
        let mut routes = Vec::new();
        for (i, block) in blocks.iter().enumerate() {
            let unknown = unknown.and_then(|all| all.get(i));
            let field = |name: &str| got(block.get(name), unknown.and_then(|u| u.get(name)));
            let text = |name: &str| match field(name) {
                Got::Value(Value::String(text)) => Some(Str::from(text.as_str())),
                Got::Unknown => None,
                _ => Some(Str::default()),
            };
            let mut route = Route {
                destination_cidr_block: text("cidr_block")?,
                destination_ipv6_cidr_block: text("ipv6_cidr_block")?,
                destination_prefix_list_id: match field("destination_prefix_list_id") {
                    Got::Unknown => self.one_of_block(resource, PREFIX_LIST)?,
                    _ => text("destination_prefix_list_id")?,
                },
                ..new_route(resource)
            };
            for (name, kinds, list) in TARGETS {
                let target = match field(name) {
                    // All references of the routes stand together: one that is left is the one that is meant.
                    Got::Unknown => self.one_of_block(resource, kinds).unwrap_or_else(|| {
                        if let Some(list) = list {
                            self.doubt(*list, resource, name);
                        }
                        made_part(&resource.address, name)
                    }),
                    _ => text(name).unwrap_or_default(),
                };
                set_target(&mut route, name, target);
            }
            routes.push(route);
        }
        Some(routes)
    }

    /// The only instance of these types that the routes of a table refer to.
    fn one_of_block(&self, resource: &Resource, kinds: &[&str]) -> Option<Str> {
        if kinds.is_empty() {
            return None;
        }
        let found = self.refs.referred(resource, "route", kinds);
        match (found.values.as_slice(), found.is_partial) {
            ([one], false) => Some(one.clone()),
            _ => None,
        }
    }

    /// Routes that are resources of their own.
    fn own_routes(&mut self, unknown: &mut Vec<Str>) {
        for resource in self.gone(ROUTES) {
            let id: Str = resource.before("route_table_id").into();
            let text = |name: &str| Str::from(resource.before(name));
            let gone = Route {
                destination_cidr_block: text("destination_cidr_block"),
                destination_ipv6_cidr_block: text("destination_ipv6_cidr_block"),
                destination_prefix_list_id: text("destination_prefix_list_id"),
                ..Route::default()
            };
            self.change_table(resource, &id, |table| table.routes.retain(|route| !is_same(route, &gone)));
        }
        for resource in self.of(ROUTES) {
            let Link::Id(id) = self.link(resource, "route_table_id", TABLE) else {
                self.unclear.insert(resource.address.clone());
                continue;
            };
            let told = [
                ("destination_cidr_block", &[][..]),
                ("destination_ipv6_cidr_block", &[]),
                ("destination_prefix_list_id", PREFIX_LIST),
            ]
            .map(|(name, kinds)| match self.link(resource, name, kinds) {
                Link::Id(text) => Some(text),
                Link::Unclear if self.refs.is_configured(resource, name) => None,
                Link::None | Link::Unclear => Some(Str::default()),
            });
            let [Some(v4), Some(v6), Some(list)] = told else {
                self.doubt(AwsList::RouteTables, resource, "a destination");
                unknown.push(id);
                continue;
            };
            let mut route = Route {
                destination_cidr_block: v4,
                destination_ipv6_cidr_block: v6,
                destination_prefix_list_id: list,
                ..new_route(resource)
            };
            for (name, kinds, list) in TARGETS {
                // Computed: the provider copies here what the route turns out to lead to.
                if resource.get(name) == Got::Unknown && !self.refs.is_configured(resource, name) {
                    continue;
                }
                let target = match self.link(resource, name, kinds) {
                    Link::Id(id) => id,
                    Link::None => Str::default(),
                    Link::Unclear => {
                        if let Some(list) = list {
                            self.doubt(*list, resource, name);
                        }
                        made_part(&resource.address, name)
                    }
                };
                set_target(&mut route, name, target);
            }
            self.change_table(resource, &id, |table| put(table, route));
        }
        for resource in self.of(&["aws_vpn_gateway_route_propagation"]).into_iter().filter(|r| r.is_new()) {
            if let Link::Id(id) = self.link(resource, "route_table_id", TABLE) {
                self.doubt(AwsList::RouteTables, resource, "what is propagated");
                unknown.push(id);
            } else {
                self.unclear.insert(resource.address.clone());
            }
        }
    }

    /// Gateway endpoints put a route of their own into tables.
    fn endpoint_routes(&mut self) {
        const OWN: &[&str] = &["aws_vpc_endpoint_route_table_association"];
        let endpoints = self.of(ENDPOINT).into_iter().map(|r| (r, "route_table_ids"));
        let mut pairs: Vec<(Str, Str, &Resource)> = Vec::new();
        for (resource, attribute) in endpoints.collect::<Vec<_>>() {
            let endpoint = self.refs.id(resource);
            if resource.get(attribute) == Got::Unknown && !self.refs.is_configured(resource, attribute) {
                continue;
            }
            let tables = self.ids(resource, attribute, TABLE, AwsList::RouteTables);
            pairs.extend(tables.into_iter().map(|table| (endpoint.clone(), table, resource)));
        }
        for resource in self.of(OWN) {
            let endpoint = self.id(resource, "vpc_endpoint_id", ENDPOINT, AwsList::VpcEndpoints);
            let table = self.id(resource, "route_table_id", TABLE, AwsList::RouteTables);
            pairs.push((endpoint, table, resource));
        }
        for resource in self.gone(OWN) {
            let [endpoint, table] = ["vpc_endpoint_id", "route_table_id"].map(|name| Str::from(resource.before(name)));
            self.change_table(resource, &table, |table| table.routes.retain(|route| route.gateway_id != endpoint));
        }
        for resource in self.gone(ENDPOINT) {
            let endpoint = resource.before("id");
            let kept: Vec<&Str> = pairs.iter().filter(|(id, ..)| id == endpoint).map(|(_, table, _)| table).collect();
            for table in self.scope.route_tables.iter_mut().filter(|table| !kept.contains(&&table.route_table_id)) {
                table.routes.retain(|route| route.gateway_id != *endpoint || endpoint.is_empty());
            }
        }
        for (endpoint, table, resource) in pairs {
            let Some(list) = self.list_of_endpoint(&endpoint) else { continue };
            let route = Route { destination_prefix_list_id: list, gateway_id: endpoint, ..new_route(resource) };
            self.change_table(resource, &table, |table| put(table, route));
        }
    }

    /// Every table leads to the blocks of its VPC.
    fn local_routes(&mut self) {
        let touched: Vec<Str> = self.of(VPC).iter().map(|resource| self.refs.id(resource)).collect();
        let made: Vec<Str> = self.of(TABLE).iter().map(|resource| self.refs.id(resource)).collect();
        for table in &mut self.scope.route_tables {
            if !touched.contains(&table.vpc_id) && !made.contains(&table.route_table_id) {
                continue;
            }
            let Some(vpc) = self.scope.vpcs.iter().find(|vpc| vpc.vpc_id == table.vpc_id) else { continue };
            let local = |v4: &Str, v6: &Str| Route {
                destination_cidr_block: v4.clone(),
                destination_ipv6_cidr_block: v6.clone(),
                gateway_id: "local".into(),
                origin_of: "CreateRouteTable".into(),
                state: "active".into(),
                ..Route::default()
            };
            let blocks = vpc.cidr_block_association_set.iter().chain(&vpc.ipv6_cidr_block_association_set);
            for route in blocks.map(|block| local(&block.cidr_block, &block.ipv6_cidr_block)) {
                // One that was replaced, to look at what stays inside, is kept.
                if !table.routes.iter().any(|known| is_same(known, &route)) {
                    table.routes.insert(0, route);
                }
            }
        }
    }

    fn main_tables(&mut self) {
        for resource in self.gone(MAIN).into_iter().filter(|resource| !resource.stays()) {
            let [vpc, table] = ["vpc_id", "original_route_table_id"].map(|name| Str::from(resource.before(name)));
            self.make_main(&vpc, &table);
        }
        for resource in self.of(MAIN) {
            match (self.link(resource, "vpc_id", VPC), self.link(resource, "route_table_id", TABLE)) {
                (Link::Id(vpc), Link::Id(table)) => self.make_main(&vpc, &table),
                (Link::Id(vpc), _) => {
                    self.doubt(AwsList::RouteTables, resource, "route_table_id");
                    self.make_main(&vpc, &Str::default());
                }
                _ => {
                    self.unclear.insert(resource.address.clone());
                }
            }
        }
    }

    fn make_main(&mut self, vpc: &Str, id: &Str) {
        for table in self.scope.route_tables.iter_mut().filter(|table| table.vpc_id == *vpc) {
            table.associations.retain(|a| !a.main);
            if table.route_table_id == *id {
                table.associations.push(RouteTableAssociation { main: true, ..RouteTableAssociation::default() });
            }
        }
    }

    /// Which subnets have which table. Gives the subnets whose table cannot be told; `None` if these cannot be told.
    fn table_subnets(&mut self) -> Option<Vec<Str>> {
        for resource in self.gone(ASSOCIATIONS) {
            let [table, subnet] = ["route_table_id", "subnet_id"].map(|name| resource.before(name));
            if let Some(table) = self.scope.route_tables.iter_mut().find(|known| known.route_table_id == *table) {
                table.associations.retain(|a| a.subnet_id != *subnet || subnet.is_empty());
            }
        }
        let mut unsure = Some(Vec::new());
        for resource in self.of(ASSOCIATIONS) {
            let subnet = match self.link(resource, "subnet_id", SUBNET) {
                Link::Id(subnet) => subnet,
                Link::None => continue, // of a gateway
                Link::Unclear => {
                    self.unclear.insert(resource.address.clone());
                    unsure = None;
                    continue;
                }
            };
            if let Link::Id(table) = self.link(resource, "route_table_id", TABLE) {
                self.give_table(&table, &subnet);
            } else {
                self.doubt(AwsList::RouteTables, resource, "route_table_id");
                self.give_table(&Str::default(), &subnet);
                if let Some(unsure) = &mut unsure {
                    unsure.push(subnet);
                }
            }
        }
        unsure
    }

    /// Gives a subnet a table, which takes it from the one that it had.
    fn give_table(&mut self, id: &Str, subnet: &Str) {
        for table in &mut self.scope.route_tables {
            table.associations.retain(|a| a.subnet_id != *subnet);
            if table.route_table_id == *id {
                let association =
                    RouteTableAssociation { subnet_id: subnet.clone(), ..RouteTableAssociation::default() };
                table.associations.push(association);
            }
        }
    }

    /// Subnets that the plan makes and no table names have the main one of their VPC.
    fn default_tables(&mut self, unsure: &[Str]) {
        for resource in self.of(SUBNET) {
            let subnet = self.refs.id(resource);
            let has_one = |table: &RouteTable| table.associations.iter().any(|a| a.subnet_id == subnet);
            if !resource.is_new() || unsure.contains(&subnet) || self.scope.route_tables.iter().any(has_one) {
                continue;
            }
            let vpc = self.vpc_of(resource, &subnet);
            let is_main = |table: &&RouteTable| table.vpc_id == vpc && table.associations.iter().any(|a| a.main);
            if let Some(main) = self.scope.route_tables.iter().find(is_main).map(|table| table.route_table_id.clone()) {
                self.give_table(&main, &subnet);
            }
        }
    }

    /// Changes a table that is known. What is changed was read in the plan.
    fn change_table(&mut self, resource: &Resource, id: &Str, change: impl FnOnce(&mut RouteTable)) {
        let origin = self.origin(resource);
        let Some(table) = self.scope.route_tables.iter_mut().find(|table| table.route_table_id == *id) else { return };
        let before = table.routes.clone();
        change(table);
        if table.routes != before && table.origin.source != origin.source {
            table.origin = origin;
            // Lines are those of the plan now.
            table.routes.iter_mut().filter(|route| before.contains(route)).for_each(|route| route.line = 0);
        }
    }
}

/// A route of which the provider shows nothing in its table: inside the VPC, told by a gateway, or put by an endpoint.
fn is_from_elsewhere(route: &Route) -> bool {
    let is_of_endpoint = !route.destination_prefix_list_id.is_empty() && route.gateway_id.starts_with("vpce-");
    route.gateway_id == "local" || route.origin_of == "EnableVgwRoutePropagation" || is_of_endpoint
}

fn is_same(a: &Route, b: &Route) -> bool {
    a.destination_cidr_block == b.destination_cidr_block
        && a.destination_ipv6_cidr_block == b.destination_ipv6_cidr_block
        && a.destination_prefix_list_id == b.destination_prefix_list_id
}

/// Puts a route into a table, in the place of the one to the same destination.
fn put(table: &mut RouteTable, route: Route) {
    match table.routes.iter_mut().find(|known| is_same(known, &route)) {
        Some(known) => {
            let is_unchanged = |known: &Route| {
                let same = Route { line: 0, origin_of: Str::default(), state: Str::default(), ..known.clone() };
                same == Route { line: 0, origin_of: Str::default(), state: Str::default(), ..route.clone() }
            };
            if !is_unchanged(known) {
                *known = route;
            }
        }
        None => table.routes.push(route),
    }
}

fn new_route(resource: &Resource) -> Route {
    Route { origin_of: "CreateRoute".into(), state: "active".into(), line: resource.line, ..Route::default() }
}

fn set_target(route: &mut Route, attribute: &str, target: Str) {
    if target.is_empty() {
        return;
    }
    let field = match attribute {
        // `describe-route-tables` shows endpoints there too.
        "gateway_id" | "vpc_endpoint_id" => &mut route.gateway_id,
        "nat_gateway_id" => &mut route.nat_gateway_id,
        "egress_only_gateway_id" => &mut route.egress_only_internet_gateway_id,
        "transit_gateway_id" => &mut route.transit_gateway_id,
        "vpc_peering_connection_id" => &mut route.vpc_peering_connection_id,
        "network_interface_id" => &mut route.network_interface_id,
        "instance_id" => &mut route.instance_id,
        "local_gateway_id" => &mut route.local_gateway_id,
        "carrier_gateway_id" => &mut route.carrier_gateway_id,
        "core_network_arn" => &mut route.core_network_arn,
        _ => &mut route.odb_network_arn,
    };
    *field = target;
}
