//! A VPC that moto holds.

use aws_sdk_ec2::types::builders::IpPermissionBuilder;
use aws_sdk_ec2::types::{IpPermission, IpRange, PrefixListId, RuleAction, VpcEndpointType};

/// A VPC that the API of moto builds: a public subnet with a NAT gateway, a private one with the node behind it.
pub struct Built {
    pub vpc: String,
    pub instance: String,
    pub address: String,
    pub acl: String,
    /// The node's security group.
    pub group: String,
}

/// A client of moto.
pub async fn client(endpoint: &str) -> aws_sdk_ec2::Client {
    let config = aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12())
        .region("us-east-1")
        .credentials_provider(aws_sdk_ec2::config::Credentials::new("x", "x", None, None, "test"))
        .endpoint_url(endpoint)
        .load()
        .await;
    aws_sdk_ec2::Client::new(&config)
}

/// Lets a security group's members connect to a port anywhere.
pub fn port(port: i32) -> IpPermissionBuilder {
    let everywhere = IpRange::builder().cidr_ip("0.0.0.0/0").build();
    IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port).ip_ranges(everywhere)
}

pub async fn build(endpoint: &str) -> Built {
    let ec2 = client(endpoint).await;
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let on = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(true).build();
    ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on).send().await.unwrap();
    let subnet = async |block: &str| {
        let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(block).availability_zone("us-east-1a").send().await;
        made.unwrap().subnet.unwrap().subnet_id.unwrap()
    };
    let (public, private) = (subnet("10.0.0.0/24").await, subnet("10.0.1.0/24").await);

    let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap();
    let gateway = gateway.internet_gateway_id.unwrap();
    ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await.unwrap();
    let address = ec2.allocate_address().send().await.unwrap().allocation_id.unwrap();
    let nat = ec2.create_nat_gateway().subnet_id(&public).allocation_id(address).send().await.unwrap();
    let nat = nat.nat_gateway.unwrap().nat_gateway_id.unwrap();
    let table = async |subnet: &str| {
        let made = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap().route_table.unwrap();
        let table = made.route_table_id.unwrap();
        ec2.associate_route_table().route_table_id(&table).subnet_id(subnet).send().await.unwrap();
        table
    };
    let (outer, inner) = (table(&public).await, table(&private).await);
    let route = |table: &str| ec2.create_route().route_table_id(table).destination_cidr_block("0.0.0.0/0");
    route(&outer).gateway_id(&gateway).send().await.unwrap();
    route(&inner).nat_gateway_id(&nat).send().await.unwrap();
    let s3 = "com.amazonaws.us-east-1.s3";
    let endpoint = ec2.create_vpc_endpoint().vpc_id(&vpc).service_name(s3).vpc_endpoint_type(VpcEndpointType::Gateway);
    endpoint.route_table_ids(&inner).send().await.unwrap();

    // The node may speak to the internet on 443 only, and to S3 by its prefix list.
    let group = ec2.create_security_group().group_name("nodes").description("nodes").vpc_id(&vpc).send().await;
    let group = group.unwrap().group_id.unwrap();
    let everything = IpPermission::builder().ip_protocol("-1");
    let everything = everything.ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build()).build();
    ec2.revoke_security_group_egress().group_id(&group).ip_permissions(everything).send().await.unwrap();
    let lists = ec2.describe_managed_prefix_lists().send().await.unwrap();
    let list = lists.prefix_lists().iter().find(|list| list.prefix_list_name() == Some(s3)).unwrap();
    let list = PrefixListId::builder().prefix_list_id(list.prefix_list_id().unwrap()).build();
    let https = port(443).prefix_list_ids(list).build();
    ec2.authorize_security_group_egress().group_id(&group).ip_permissions(https).send().await.unwrap();

    // moto's own ACLs have no implicit entries; this one lets everything through.
    let acl = ec2.create_network_acl().vpc_id(&vpc).send().await.unwrap().network_acl.unwrap();
    let acl = acl.network_acl_id.unwrap();
    for egress in [true, false] {
        let entry = ec2.create_network_acl_entry().network_acl_id(&acl).rule_number(100).protocol("-1");
        entry.rule_action(RuleAction::Allow).egress(egress).cidr_block("0.0.0.0/0").send().await.unwrap();
    }
    let acls = ec2.describe_network_acls().send().await.unwrap();
    let associations = acls.network_acls().iter().flat_map(aws_sdk_ec2::types::NetworkAcl::associations);
    let old = associations.filter(|a| a.subnet_id() == Some(&private)).find_map(|a| a.network_acl_association_id());
    ec2.replace_network_acl_association().network_acl_id(&acl).association_id(old.unwrap()).send().await.unwrap();

    let images = ec2.describe_images().send().await.unwrap();
    let run = ec2.run_instances().image_id(images.images()[0].image_id().unwrap()).min_count(1).max_count(1);
    let run = run.subnet_id(&private).security_group_ids(&group).send().await.unwrap();
    let instance = &run.instances()[0];
    Built {
        instance: instance.instance_id().unwrap().to_owned(),
        address: instance.private_ip_address().unwrap().to_owned(),
        vpc,
        acl,
        group,
    }
}
