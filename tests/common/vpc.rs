//! What EC2 says about a small VPC.

use super::ec2::{Answer, Parameters};

/// A VPC in which the node reaches the internet through an internet gateway.
pub fn open(call: &Parameters) -> Option<Answer> {
    let is_support = call.get("Attribute").is_some_and(|name| name == "enableDnsSupport");
    Some(Answer::Ok(match call["Action"].as_str() {
        "DescribeVpcs" => {
            "<vpcSet><item><vpcId>vpc-1</vpcId><ownerId>111122223333</ownerId><cidrBlock>10.0.0.0/16</cidrBlock>\
             <dhcpOptionsId>default</dhcpOptionsId><cidrBlockAssociationSet><item><cidrBlock>10.0.0.0/16</cidrBlock>\
             <cidrBlockState><state>associated</state></cidrBlockState></item></cidrBlockAssociationSet></item></vpcSet>"
                .to_owned()
        }
        "DescribeVpcAttribute" if is_support => {
            "<vpcId>vpc-1</vpcId><enableDnsSupport><value>true</value></enableDnsSupport>".to_owned()
        }
        "DescribeVpcAttribute" => {
            "<vpcId>vpc-1</vpcId><enableDnsHostnames><value>true</value></enableDnsHostnames>".to_owned()
        }
        "DescribeSubnets" => subnets(&["subnet-1"]),
        "DescribeNetworkInterfaces" => format!(
            "<networkInterfaceSet>{}{}</networkInterfaceSet>",
            "<item><networkInterfaceId>eni-1</networkInterfaceId><vpcId>vpc-1</vpcId><subnetId>subnet-1</subnetId>\
             <interfaceType>interface</interfaceType><privateIpAddress>10.0.1.10</privateIpAddress>\
             <association><publicIp>198.51.100.7</publicIp></association><sourceDestCheck>true</sourceDestCheck>\
             <groupSet><item><groupId>sg-1</groupId></item></groupSet><attachment><instanceId>i-1</instanceId>\
             <deviceIndex>0</deviceIndex><networkCardIndex>0</networkCardIndex></attachment></item>",
            "<item><networkInterfaceId>eni-2</networkInterfaceId><vpcId>vpc-1</vpcId><subnetId>subnet-1</subnetId>\
             <interfaceType>nat_gateway</interfaceType><privateIpAddress>10.0.1.99</privateIpAddress></item>"
        ),
        "DescribeInstances" => {
            "<reservationSet><item><ownerId>111122223333</ownerId><instancesSet><item><instanceId>i-1</instanceId>\
             <vpcId>vpc-1</vpcId><instanceState><name>running</name></instanceState></item></instancesSet></item>\
             </reservationSet>"
                .to_owned()
        }
        "DescribeSecurityGroups" => group("sg-1", "vpc-1"),
        "DescribeSecurityGroupRules" => {
            "<securityGroupRuleSet><item><securityGroupRuleId>sgr-1</securityGroupRuleId><groupId>sg-1</groupId>\
             <isEgress>true</isEgress><ipProtocol>-1</ipProtocol><fromPort>-1</fromPort><toPort>-1</toPort>\
             <cidrIpv4>0.0.0.0/0</cidrIpv4></item></securityGroupRuleSet>"
                .to_owned()
        }
        "DescribeNetworkAcls" => {
            let entry = |egress: bool| {
                format!(
                    "<item><ruleNumber>100</ruleNumber><protocol>-1</protocol><ruleAction>allow</ruleAction>\
                     <egress>{egress}</egress><cidrBlock>0.0.0.0/0</cidrBlock></item>"
                )
            };
            format!(
                "<networkAclSet><item><networkAclId>acl-1</networkAclId><vpcId>vpc-1</vpcId><default>true</default>\
                 <entrySet>{}{}</entrySet><associationSet><item><subnetId>subnet-1</subnetId></item></associationSet>\
                 </item></networkAclSet>",
                entry(true),
                entry(false)
            )
        }
        "DescribeRouteTables" => routes("<gatewayId>igw-1</gatewayId>"),
        "DescribeInternetGateways" => {
            "<internetGatewaySet><item><internetGatewayId>igw-1</internetGatewayId><attachmentSet><item>\
             <vpcId>vpc-1</vpcId><state>available</state></item></attachmentSet></item></internetGatewaySet>"
                .to_owned()
        }
        "DescribeVpcEndpoints" => {
            "<vpcEndpointSet><item><vpcEndpointId>vpce-1</vpcEndpointId><vpcEndpointType>Interface</vpcEndpointType>\
             <vpcId>vpc-1</vpcId><serviceName>com.amazonaws.us-east-1.sts</serviceName><state>available</state>\
             <privateDnsEnabled>false</privateDnsEnabled></item></vpcEndpointSet>"
                .to_owned()
        }
        _ => return None,
    }))
}

pub fn subnets(ids: &[&str]) -> String {
    let item = |(at, id): (usize, &&str)| {
        format!(
            "<item><subnetId>{id}</subnetId><vpcId>vpc-1</vpcId><availabilityZone>us-east-1a</availabilityZone>\
             <cidrBlock>10.0.{}.0/24</cidrBlock></item>",
            at + 1
        )
    };
    format!("<subnetSet>{}</subnetSet>", ids.iter().enumerate().map(item).collect::<String>())
}

pub fn group(id: &str, vpc: &str) -> String {
    format!(
        "<securityGroupInfo><item><groupId>{id}</groupId><vpcId>{vpc}</vpcId><ipPermissionsEgress><item>\
         <ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item>\
         </ipPermissionsEgress></item></securityGroupInfo>"
    )
}

pub fn routes(target: &str) -> String {
    format!(
        "<routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId><associationSet><item>\
         <main>false</main><subnetId>subnet-1</subnetId></item></associationSet><routeSet><item><destinationCidrBlock>10.0.0.0/16\
         </destinationCidrBlock><gatewayId>local</gatewayId><state>active</state></item><item>\
         <destinationCidrBlock>0.0.0.0/0</destinationCidrBlock>{target}<state>active</state></item>\
         <item><destinationPrefixListId>pl-1</destinationPrefixListId><gatewayId>vpce-2</gatewayId>\
         <state>active</state></item></routeSet></item></routeTableSet>"
    )
}
