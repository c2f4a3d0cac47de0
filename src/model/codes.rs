//! The finding codes: stable names for what a report can say.
//!
//! A code never changes its meaning and is never used again for another one. `docs/codes/` has a page
//! for each; a test keeps table and pages equal.

use super::finding::Severity;

/// One kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Stable, such as `BR-DNS-001`.
    pub id: &'static str,
    /// The default; a finding may carry another one where its facts say so.
    pub severity: Severity,
    /// A title for findings that have no better one.
    pub title: &'static str,
    /// What it means, in one sentence.
    pub summary: &'static str,
}

/// The code of that name.
pub fn find(id: &str) -> Option<&'static Code> {
    ALL.iter().find(|code| code.id == id)
}

macro_rules! codes {
    ($($name:ident $id:literal $severity:ident $title:literal $summary:literal;)+) => {
        $(
            #[doc = concat!("`", $id, "`: ", $summary)]
            pub const $name: Code =
                Code { id: $id, severity: Severity::$severity, title: $title, summary: $summary };
        )+

        /// Every code, in order of its name.
        pub const ALL: &[Code] = &[$($name),+];
    };
}

codes! {
    AWS_GROUP_EGRESS "BR-AWS-001" Critical
        "The security groups do not let it out"
        "No egress rule of the security groups on the interface that the packets leave from covers the endpoint.";
    AWS_GROUP_INGRESS "BR-AWS-002" Critical
        "The destination's security groups do not let it in"
        "No ingress rule of the security groups on the destination's interface covers the source.";
    AWS_ACL "BR-AWS-003" Critical
        "A network ACL denies it"
        "The first entry of a network ACL that matches the packets denies them.";
    AWS_ACL_REPLIES "BR-AWS-004" Critical
        "A network ACL drops the replies"
        "Network ACLs keep no state: the replies to the source's ports need an entry of their own.";
    AWS_ACL_REPLIES_PARTLY "BR-AWS-005" High
        "A network ACL drops some of the replies"
        "Replies are admitted to some of the ports that the source may pick: the build fails now and then.";
    AWS_NO_ROUTE "BR-AWS-006" Critical
        "No route leads there"
        "The route table of the subnet has no route for the endpoint's addresses.";
    AWS_BLACKHOLE "BR-AWS-007" Critical
        "The route leads nowhere"
        "The route's target does not exist any more.";
    AWS_NO_PUBLIC_ADDRESS "BR-AWS-008" Critical
        "The internet gateway drops a private source"
        "An internet gateway translates only addresses that a public one stands for, and this source has none.";
    AWS_GATEWAY "BR-AWS-009" Critical
        "A gateway on the way does not work"
        "A gateway, an endpoint, a peering connection or an attachment is not in the state in which it forwards.";
    AWS_NAT "BR-AWS-010" Critical
        "The NAT gateway cannot pass it on"
        "The NAT gateway has no way out of its own, or does not carry this traffic.";
    AWS_TRANSIT_ZONE "BR-AWS-011" Critical
        "The transit gateway is not attached in this zone"
        "A transit gateway takes packets only from zones in which its attachment has a subnet.";
    AWS_PEERING "BR-AWS-012" Critical
        "A peering connection is no way through"
        "Peering leads to the other VPC's own addresses only.";
    AWS_BLOCK_PUBLIC_ACCESS "BR-AWS-013" Critical
        "VPC Block Public Access stops it"
        "Block Public Access stands above security groups, network ACLs and routes.";
    AWS_SOURCE_DEST_CHECK "BR-AWS-014" Critical
        "An appliance drops what is not its own"
        "The source/destination check of an interface that is to forward is on.";
    AWS_PRIVATE_DESTINATION "BR-AWS-015" Critical
        "A private address is sent to the internet"
        "Internet gateways drop what goes to private addresses.";
    AWS_FAMILY "BR-AWS-016" Critical
        "The source has no address of this family"
        "A connection over IPv6 needs an IPv6 address, and one over IPv4 an IPv4 address.";
    AWS_ENDPOINT_POLICY "BR-AWS-017" Critical
        "The policy of an endpoint does not allow it"
        "The endpoint is reached and answers with HTTP 403: its policy does not allow what a build asks for.";
    AWS_DNS_OFF "BR-AWS-018" Critical
        "The VPC has no resolver"
        "enableDnsSupport of the VPC is off, so the Amazon-provided resolver does not answer.";
    AWS_DNS_RESOLVER "BR-AWS-019" Critical
        "The resolvers of the DHCP options cannot be reached"
        "The DHCP options name resolvers that cannot be reached.";
    AWS_ECR_LAYERS "BR-AWS-020" High
        "ECR endpoints without a way to S3"
        "Manifests come through the ECR endpoints, but the layers lie in S3, and no way leads there.";
    AWS_DNS_FIREWALL "BR-AWS-021" Critical
        "DNS Firewall blocks the name"
        "A rule of Route 53 Resolver DNS Firewall answers the lookup instead of the name's owner.";
    CFG_NOT_INTERPRETED "BR-CFG-001" Medium
        "A setting that redirects the build is not interpreted"
        "A proxy or registry setting sends the build somewhere else than this version can follow, so the outcome is unknown.";
    CFG_INVALID_GOPROXY "BR-CFG-002" High
        "GOPROXY is not valid"
        "The go command rejects this GOPROXY value and downloads nothing.";
    CFG_NO_FALLBACK "BR-CFG-003" Low
        "GOPROXY falls back on 404 and 410 only"
        "A comma in GOPROXY moves on to the next entry only after HTTP 404 or 410: a proxy that cannot be reached ends the build.";
    COV_FORBIDDEN "BR-COV-001" High
        "Something that may decide could not be read"
        "The credentials may not read a kind, or reading it failed: outcomes that rest on it are unknown.";
    DNS_CUT_OFF "BR-DNS-001" Critical
        "DNS is cut off"
        "No packet to UDP port 53 of the resolver gets through, so no name can be looked up.";
    DNS_TCP_CLOSED "BR-DNS-002" Medium
        "DNS over TCP is closed"
        "UDP port 53 of the resolver is open and TCP port 53 is closed: truncated answers cannot be fetched.";
    DNS_UNKNOWN "BR-DNS-003" Medium
        "It cannot be told whether names can be looked up"
        "What was read does not say whether the subject reaches its resolver.";
    ENF_NOT_ENFORCED "BR-ENF-001" High
        "Policies are present, and nothing enforces them"
        "The network plugin of these pods, or of their node, enforces no policy: what the policies say has no effect.";
    ENF_AGENT_NOT_READY "BR-ENF-002" Medium
        "The agent that enforces policies is not ready"
        "The engine's agent on the pod's node is not ready, so what rests on policies is unknown there.";
    ENF_NO_ENGINE "BR-ENF-003" Medium
        "No engine of this cluster enforces this object"
        "The object is of a kind that another product enforces: here it has no effect.";
    EXC_EXPIRED "BR-EXC-001" Medium
        "An exception has expired"
        "A finding was accepted for a time that is over, and is there still: it counts again.";
    EXC_UNUSED "BR-EXC-002" Info
        "An exception fits nothing"
        "Nothing that was found is what an exception accepts: it can be taken out of the list.";
    NET_BLOCKED "BR-NET-001" Critical
        "A required endpoint is blocked"
        "The policies that select the build admit no packet to an endpoint that it needs.";
    NET_PARTIAL "BR-NET-002" High
        "A required endpoint is admitted in part"
        "Some addresses, ports or pods of a required endpoint are admitted and others are not: the build fails now and then.";
    NET_CONDITIONAL "BR-NET-003" Medium
        "A conditional endpoint is blocked"
        "An endpoint that is contacted only in some flows is blocked.";
    NET_PINNED "BR-NET-004" Medium
        "A rule pins addresses that change"
        "A rule admits single addresses of a shared CDN or of a published feed: they change without notice.";
    NET_FAMILY "BR-NET-005" Medium
        "One address family is blocked"
        "The endpoint is reached over one address family and blocked over the other: clients wait for a fallback, or fail without one.";
    NET_OVER_OPEN "BR-NET-006" Low
        "The whole internet is open"
        "A build may open connections to every public address, though it needs a known list of endpoints.";
    NET_UNKNOWN "BR-NET-007" Medium
        "It cannot be told whether the endpoint is reached"
        "What was read, or what this version evaluates, does not decide the outcome; the reasons are listed.";
    NET_INGRESS "BR-NET-008" Critical
        "The destination does not let the build in"
        "The build may send, but the policies that select the destination's pods admit no packet from it.";
    OBJ_MALFORMED "BR-OBJ-001" High
        "A document cannot be read"
        "The document is neither YAML nor JSON: it takes no part in any outcome.";
    OBJ_SHAPE "BR-OBJ-002" High
        "An object is not of its API's shape"
        "Kind and namespace can be read and the rest cannot: what the kind could decide there is unknown.";
    OBJ_REJECTED "BR-OBJ-003" High
        "The API server rejects this NetworkPolicy"
        "The object breaks a rule of the API: an apply fails, and the policy does not exist in the cluster.";
    OBJ_REPEATED "BR-OBJ-004" Medium
        "Names repeat"
        "Two objects have one kind, namespace and name: the last one that was read counts.";
    OBJ_HELM "BR-OBJ-005" Info
        "Helm templates are not rendered"
        "Files with template actions were counted and not read: render the chart first.";
    OBJ_KUSTOMIZE "BR-OBJ-006" Medium
        "A kustomization is not rendered"
        "Patches, components, generators, remote bases or overlays that disagree touch what decides: outcomes that rest on it are unknown.";
    OBJ_NAMESPACE "BR-OBJ-007" Medium
        "The namespace of an object cannot be known"
        "Nothing that was read says into which namespace the object goes: it is not put into `default`.";
    OBJ_LINK "BR-OBJ-008" Info
        "A link is not followed"
        "A symbolic link leads outside of the folder, dangles or loops: nothing behind it was read.";
    OBJ_UNKNOWN_FIELD "BR-OBJ-009" Medium
        "A field is not part of the API"
        "The field is a typing error, or belongs elsewhere: an API server drops or rejects it.";
    OBJ_NO_EFFECT "BR-OBJ-010" Low
        "A rule has no effect"
        "As it is written, the rule admits nothing or changes nothing.";
    OBJ_NOT_EVALUATED "BR-OBJ-011" Medium
        "A kind is not evaluated"
        "Objects of this kind may decide and this version does not evaluate them: outcomes that they may touch are unknown.";
    OBJ_NOT_AN_OBJECT "BR-OBJ-012" Info
        "A document is not a Kubernetes object"
        "The document names no apiVersion or no kind, so it was ignored.";
    SUB_NOT_GOVERNED "BR-SUB-001" Info
        "Policies do not apply to this build"
        "The build runs on the host network or through the node's container runtime: pod policies do not see its connections.";
    SUB_NONE "BR-SUB-002" Info
        "No build subject was found"
        "Nothing that was read looks like a build.";
    TLS_UNKNOWN "BR-TLS-001" Medium
        "It cannot be told whether the server is verified"
        "What the server presents, or what the client trusts, is not known: the outcome is unknown.";
    TLS_UNKNOWN_ISSUER "BR-TLS-010" Critical
        "Nobody in the store issued the certificate"
        "No path leads from the server's certificate to an anchor that the client trusts.";
    TLS_SELF_SIGNED "BR-TLS-011" Critical
        "The server's certificate signs itself"
        "The server's certificate is its own issuer, and the client's store does not hold it.";
    TLS_MISSING_INTERMEDIATE "BR-TLS-012" Critical
        "An intermediate certificate is missing"
        "The path breaks between the server's certificate and the store: a certificate in between is not sent.";
    TLS_OTHER_KEY "BR-TLS-013" Critical
        "The store has the issuer's name with another key"
        "A CA of the same name is in the store, and its key did not sign the certificate.";
    TLS_EXPIRED "BR-TLS-014" Critical
        "A certificate has expired"
        "A certificate of the path is past its end, and this client checks it.";
    TLS_NOT_YET_VALID "BR-TLS-015" Critical
        "A certificate is not valid yet"
        "A certificate of the path begins to be valid later than now.";
    TLS_NAME "BR-TLS-016" Critical
        "The certificate is for other names"
        "The name that the client asks for is not among the names of the server's certificate.";
    TLS_COMMON_NAME "BR-TLS-017" Critical
        "The name is in the common name alone"
        "The certificate has no subject alternative names, and this client does not look at the common name.";
    TLS_NAME_CONSTRAINT "BR-TLS-018" Critical
        "A CA may not sign for this name"
        "Name constraints of a CA on the path exclude a name of the certificate, or do not permit it.";
    TLS_ALGORITHM "BR-TLS-019" Critical
        "An algorithm or a key is too weak, or not supported"
        "The client does not take the signature algorithm, or the kind or size of a key, of a certificate on the path.";
    TLS_SIGNATURE "BR-TLS-020" Critical
        "A signature does not verify"
        "A signature on the path is not one of its issuer, or too many had to be tried.";
    TLS_PURPOSE "BR-TLS-021" Critical
        "The certificate is not for servers"
        "Key usage, extended key usage, policies or the store's own marks forbid what the certificate is used for.";
    TLS_NOT_A_CA "BR-TLS-022" Critical
        "A certificate that is no CA signs others"
        "A certificate on the path is not marked as a CA, or has more CAs below it than it allows.";
    TLS_CRITICAL_EXTENSION "BR-TLS-023" Critical
        "A critical extension is not understood"
        "A certificate on the path has a critical extension that the client does not process.";
    TLS_MALFORMED "BR-TLS-024" Critical
        "A certificate is malformed for this client"
        "The client does not read a certificate that others may take.";
    TLS_NO_ANCHORS "BR-TLS-025" Critical
        "The client trusts nobody"
        "The store that the client reads holds no certificate.";
    TLS_STRICT "BR-TLS-026" Critical
        "Only this client's strictness refuses it"
        "The path is good for most clients, and this one asks for more.";
    TLS_NOT_HASHED "BR-TLS-040" High
        "The directory has no hashed names"
        "Clients on OpenSSL look into a certificate directory by the hash of a name only; files with other names are not seen.";
    TLS_CAFILE_REPLACES "BR-TLS-041" High
        "cafile takes the place of all other CAs"
        "npm and its like accept the CAs of cafile or ca alone: the roots of Node.js and NODE_EXTRA_CA_CERTS do not count.";
    TLS_EXTRA_MISSING "BR-TLS-042" High
        "NODE_EXTRA_CA_CERTS names a file that is not there"
        "Node.js prints a warning and goes on without the additional CAs.";
    TLS_FILE_MISSING "BR-TLS-043" High
        "A CA file that is configured is not there"
        "A variable or a setting names a file that is not there: some clients fail at once, others go on without it.";
    TLS_SHADOWED "BR-TLS-044" High
        "A volume hides the CA store of the image"
        "What is mounted takes the place of the image's public roots and holds none itself.";
    TLS_PRIVATE_ROOTS_ONLY "BR-TLS-045" Medium
        "The only store has no public roots"
        "All that the client reads is a bundle of private CAs: public registries are not trusted.";
    TLS_SWITCHED_OFF "BR-TLS-046" High
        "Verification is switched off"
        "A variable, a setting or a flag makes the client accept any server: whoever sits in between can change what is fetched.";
    TLS_VARIABLE_IGNORED "BR-TLS-047" Info
        "The client does not read this variable"
        "The variable names a CA file that this client never looks at.";
    TLS_NO_PASSWORD "BR-TLS-052" High
        "A PKCS#12 trust store without its password"
        "Java skips what is encrypted when no password is given, and starts without these anchors.";
    TLS_STORE_EMPTY "BR-TLS-053" High
        "The client has no anchors"
        "Nothing that the client reads holds a certificate that it accepts as an anchor: no server is trusted.";
    TLS_HOSTS_IGNORED "BR-TLS-060" High
        "containerd ignores a hosts.toml without a host table"
        "containerd 1.5 to 1.7 ignore a hosts.toml that has no `[host]` table, its CA and server with it.";
    TLS_CONFIG_PATH_UNSET "BR-TLS-061" High
        "containerd does not read its folder of registries"
        "`config_path` is not set, and before containerd 2.2 that means that nothing below certs.d is read.";
    TLS_FIRST_FOLDER "BR-TLS-062" Medium
        "A second folder for the same registry is ignored"
        "Only the first folder that exists for a registry is read; the others are not merged with it.";
    TLS_HOSTS_FILE "BR-TLS-063" High
        "A hosts.toml cannot be decoded"
        "containerd logs an error and takes the certificate files beside the hosts.toml instead of what it says.";
    TLS_SERVER_WITHOUT_CA "BR-TLS-064" High
        "The same address has a CA as host and none as server"
        "What a host table does not answer is asked once more of `server`, with the keys of the file itself and not with those of the table.";
    TLS_MIRRORS_AND_PATH "BR-TLS-065" High
        "registry.mirrors and config_path exclude each other"
        "containerd refuses its image service when old registry tables stand beside `config_path`.";
    TLS_CONFIGS_REMOVED "BR-TLS-066" High
        "registry.configs.tls has no effect from containerd 2.0 on"
        "containerd 2.0 removed the `tls` table of `registry.configs`: a CA that stands there is not trusted any more.";
    TLS_STORE_NOT_BUILT "BR-TLS-067" High
        "A CA was put in and the store was not built"
        "A certificate stands in the administrator's folder and is missing in the store that programs read.";
    TLS_STORE_STALE "BR-TLS-068" Medium
        "The store has changed since the runtime was started"
        "Programs in Go read the system's roots once: a runtime that is older than the store may not know its newest certificates.";
    TLS_INPUT_NOT_TAKEN "BR-TLS-070" High
        "A certificate lies where it is not taken"
        "The tool that builds the store does not take this file: its name, its form or its folder is not the one that it reads.";
    TLS_NODE_NOT_VERIFIED "BR-TLS-071" High
        "Verification is switched off"
        "The runtime takes any certificate for this registry: whoever stands in the way can replace images.";
    TLS_CA_EXPIRES "BR-TLS-072" Medium
        "A CA that a node trusts expires soon"
        "A certificate that was added to a store, or to a registry's configuration, expires within thirty days.";
    TLS_CA_EXPIRED "BR-TLS-073" High
        "A CA that a node trusts has expired"
        "A certificate that was added to a store, or to a registry's configuration, is past its end.";
    TLS_PRIVATE_KEY "BR-TLS-074" High
        "A private key lies among certificates"
        "A file of certificates that everybody may read holds a private key.";
    TLS_CLIENT_PAIR "BR-TLS-075" High
        "A client certificate and its key are not together"
        "A `*.cert` has no `*.key` of the same name, or the reverse: the runtime refuses to pull from the registry.";
    TLS_CAPABILITY "BR-TLS-076" High
        "A hosts.toml names an unknown capability"
        "One capability that containerd does not know makes it ignore the whole hosts.toml.";
    TLS_CA_FILE_MISSING "BR-TLS-077" High
        "A CA file that is named is not there"
        "A configuration names a CA file that does not exist or holds no certificate: the runtime cannot pull from the registry.";
    TLS_CERTIFICATE_UNREADABLE "BR-TLS-078" Medium
        "A certificate cannot be read"
        "A block of a certificate file is malformed: it is left out, and the rest of the file is used.";
    TLS_CONFIG_UNREADABLE "BR-TLS-079" High
        "A runtime's configuration cannot be read"
        "The runtime does not start with this file, or starts without it: nothing is known about its registries.";
    TLS_FEW_PUBLIC_ROOTS "BR-TLS-080" Medium
        "The node's store holds few of the public roots"
        "Less than half of the public roots are in the store that the node's runtimes read.";
    TLS_INSECURE_IGNORED "BR-TLS-081" Low
        "insecure_registries of CRI-O has no effect"
        "CRI-O does not read `insecure_registries` any more: registries.conf says what is insecure.";
    TLS_REGISTRIES_STALE "BR-TLS-082" Medium
        "registries.yaml is newer than what was generated from it"
        "k3s and RKE2 generate containerd's configuration when they start: a later change has no effect yet.";
    TLS_LOGIN_ENVIRONMENT "BR-TLS-083" Low
        "A proxy in /etc/environment reaches no service"
        "`/etc/environment` is read at logins: container runtimes that systemd starts do not see its variables.";
    TLS_BUNDLE_NO_PUBLIC_ROOTS "BR-TLS-090" High
        "A trust-manager bundle without public roots is the only store"
        "Pods mount a bundle that holds no default CAs in place of a whole store: public services are not trusted there.";
    TLS_NOT_SYNCED "BR-TLS-091" Medium
        "A trust-manager bundle is not synced"
        "Its condition Synced is false: the ConfigMaps that it writes hold something older, or nothing.";
    TLS_REGISTRY_KEY "BR-TLS-092" High
        "A registry's CA has a key that names no registry"
        "OpenShift takes the key of the ConfigMap for the registry's name: this one gives the CA to no registry.";
    TLS_CA_NOT_THERE "BR-TLS-093" High
        "The ConfigMap of a CA is not there"
        "The cluster's configuration names a ConfigMap that does not exist, or that holds no certificate where it has to.";
    TLS_INSECURE_REGISTRY "BR-TLS-094" Medium
        "No node verifies a registry"
        "The cluster's image configuration switches verification off for a registry: whoever stands between may replace images.";
    TLS_NOT_BUILT_ON_NODES "BR-TLS-095" High
        "A CA is written to new nodes and never taken into their store"
        "A CA file is written into the input folder of the store of new nodes, and no command builds the store of it.";
    TLS_PKI_DISTRUSTS "BR-TLS-096" High
        "Bottlerocket distrusts a CA that lacks `trusted = true`"
        "An entry of `settings.pki` without `trusted` takes its certificates out of the node's store.";
    TLS_USER_DATA "BR-TLS-097" High
        "The user data of nodes cannot be read"
        "Nodes do not start with this user data, or without what it says: nothing is known about what they trust.";
    TLS_LEAF_ANCHOR "BR-TLS-098" Medium
        "A server's own certificate stands among the CAs"
        "The file of CAs that a client reads holds the certificate of a server: some clients refuse it as an anchor, the others lose it when it is renewed.";
}
