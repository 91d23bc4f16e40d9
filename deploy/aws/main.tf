# Grandstand in one region of AWS. Modules can be used alone as well; this is how they fit together. docs/operations/aws.md
# leads through it.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition

  # The drain of an edge, which files/edge.toml.tftpl says: drain_wait_ms and drain_ms, and reserve.
  drain_wait_s   = 45
  drain_s        = 60
  edge_drain_s   = local.drain_wait_s + local.drain_s + 15
  worker_drain_s = 25

  on_instances = var.edges.on == "instances"
  web          = var.web_certificate_arn != ""
  quic         = local.on_instances && !var.terminate_tls && var.quic
}

module "network" {
  source      = "./modules/network"
  name        = var.name
  region      = var.region
  cidr        = var.cidr
  zones       = var.zones
  kms_key_arn = module.secrets.kms_key_arn
}

module "security" {
  source = "./modules/security"
  name   = var.name
  vpc_id = module.network.vpc_id
}

module "secrets" {
  source     = "./modules/secrets"
  name       = var.name
  region     = var.region
  account_id = local.account
  partition  = local.partition
}

module "nats" {
  source              = "./modules/nats"
  name                = var.name
  region              = var.region
  partition           = local.partition
  subnet_ids          = module.network.private_subnet_ids
  zones               = module.network.private_zones
  zone_id             = module.network.zone_id
  zone_name           = module.network.zone_name
  security_group_id   = module.security.ids["nats"]
  instance_type       = var.nats.instance_type
  volume_gb           = var.nats.volume_gb
  package             = var.nats.package
  secret_arn          = module.secrets.arns["nats"]
  kms_key_arn         = module.secrets.kms_key_arn
  deletion_protection = var.deletion_protection
}

module "front" {
  source                 = "./modules/front"
  name                   = var.name
  vpc_id                 = module.network.vpc_id
  subnet_ids             = module.network.public_subnet_ids
  security_group_id      = module.security.ids["front"]
  target_type            = local.on_instances ? "instance" : "ip"
  terminate_tls          = var.terminate_tls
  certificate_arn        = var.certificate_arn
  quic                   = local.quic
  deregistration_delay_s = local.edge_drain_s
  deletion_protection    = var.deletion_protection
  log_bucket             = var.log_bucket
}

module "web" {
  count                  = local.web ? 1 : 0
  source                 = "./modules/web"
  name                   = var.name
  vpc_id                 = module.network.vpc_id
  subnet_ids             = module.network.public_subnet_ids
  security_group_id      = module.security.ids["web"]
  target_type            = local.on_instances ? "instance" : "ip"
  certificate_arn        = var.web_certificate_arn
  deregistration_delay_s = local.edge_drain_s
  deletion_protection    = var.deletion_protection
  log_bucket             = var.log_bucket
  kms_key_arn            = module.secrets.kms_key_arn
}

module "edges" {
  count                  = local.on_instances ? 1 : 0
  source                 = "./modules/fleet"
  part                   = "edge"
  name                   = var.name
  environment            = var.environment
  region                 = var.region
  account_id             = local.account
  partition              = local.partition
  subnet_ids             = module.network.private_subnet_ids
  security_group_id      = module.security.ids["edge"]
  target_group_arns      = concat(module.front.target_group_arns, flatten(module.web[*].target_group_arns))
  instance_type          = var.edges.instance_type
  min_size               = var.edges.min
  max_size               = var.edges.max
  package                = var.package
  secret_arn             = module.secrets.arns["edge"]
  certificate_secret_arn = var.terminate_tls ? "" : module.secrets.arns["certificate"]
  kms_key_arn            = module.secrets.kms_key_arn
  drain_s                = local.edge_drain_s
  max_connections        = var.edges.connections
  config = templatefile("${path.module}/files/edge.toml.tftpl", {
    cidr          = var.cidr
    terminate_tls = var.terminate_tls
    quic          = local.quic
    connections   = var.edges.connections
    drain_wait_s  = local.drain_wait_s
    drain_s       = local.drain_s
  })
}

module "workers" {
  source            = "./modules/fleet"
  part              = "worker"
  name              = var.name
  environment       = var.environment
  region            = var.region
  account_id        = local.account
  partition         = local.partition
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.security.ids["worker"]
  instance_type     = var.workers.instance_type
  min_size          = var.workers.min
  max_size          = var.workers.max
  package           = var.package
  secret_arn        = module.secrets.arns["worker"]
  kms_key_arn       = module.secrets.kms_key_arn
  drain_s           = local.worker_drain_s
  config            = file("${path.module}/files/worker.toml")
}

module "registry" {
  source      = "./modules/registry"
  name        = var.name
  kms_key_arn = module.secrets.kms_key_arn
}

# The small variant of edges. Fargate has no files for certificates, so TLS ends at the balancer.
module "edges_on_fargate" {
  count             = local.on_instances ? 0 : 1
  source            = "./modules/fargate"
  part              = "edge"
  name              = var.name
  region            = var.region
  image             = "${module.registry.url}:${var.image_tag}"
  repository_arn    = module.registry.arn
  secret_arn        = module.secrets.arns["edge"]
  secret_keys       = ["GRANDSTAND_EDGE_CLUSTER_URL", "GRANDSTAND_EDGE_AUTH_SECRET", "GRANDSTAND_EDGE_EDGE_ADMIN_TOKEN"]
  kms_key_arn       = module.secrets.kms_key_arn
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.security.ids["edge"]
  ports             = [8080, 8081]
  targets           = [{ arn = module.front.target_group_arns[0], port = 8080 }]
  min_count         = var.edges.min
  max_count         = var.edges.max
  drain_s           = local.edge_drain_s
  environment = {
    GRANDSTAND_EDGE_EDGE_LISTEN        = "0.0.0.0:8080"
    GRANDSTAND_EDGE_EDGE_ADMIN         = "0.0.0.0:8081"
    GRANDSTAND_EDGE_EDGE_API           = "true"
    GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS = tostring(1000 * local.drain_wait_s)
    GRANDSTAND_EDGE_EDGE_DRAIN_MS      = tostring(1000 * local.drain_s)
    GRANDSTAND_EDGE_CLUSTER_REPLICAS   = "3"
    GRANDSTAND_EDGE_PROXY_NETWORKS     = var.cidr
    GRANDSTAND_EDGE_PROXY_PROTOCOL     = "true"
    GRANDSTAND_EDGE_LIMITS_CONNECTIONS = tostring(var.edges.connections)
  }
}

module "archive" {
  count               = var.archive ? 1 : 0
  source              = "./modules/archive"
  name                = var.name
  partition           = local.partition
  subnet_ids          = module.network.private_subnet_ids
  security_group_id   = module.security.ids["database"]
  kms_key_arn         = module.secrets.kms_key_arn
  deletion_protection = var.deletion_protection
}

# Two: one stores, the other one takes over.
module "archive_service" {
  count             = var.archive ? 1 : 0
  source            = "./modules/fargate"
  part              = "archive"
  name              = var.name
  region            = var.region
  image             = "${module.registry.url}:${var.image_tag}"
  repository_arn    = module.registry.arn
  secret_arn        = module.secrets.arns["archive"]
  secret_keys       = ["GRANDSTAND_ARCHIVE_CLUSTER_URL", "GRANDSTAND_ARCHIVE_ARCHIVE_POSTGRES"]
  kms_key_arn       = module.secrets.kms_key_arn
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.security.ids["archive"]
  cpu               = 512
  memory            = 1024
  min_count         = 2
  max_count         = 2
  drain_s           = 20
  environment = {
    GRANDSTAND_ARCHIVE_CLUSTER_REPLICAS = "3"
  }
}

module "dns" {
  count   = var.dns == null ? 0 : 1
  source  = "./modules/dns"
  region  = var.region
  zone_id = var.dns.zone_id
  records = merge(
    { (var.dns.play) = { target = { dns_name = module.front.tcp.dns_name, zone_id = module.front.tcp.zone_id }, path = "" } },
    local.web ? { (var.dns.web) = { target = { dns_name = module.web[0].balancer.dns_name, zone_id = module.web[0].balancer.zone_id }, path = "/health" } } : {},
  )
  quic_records = local.quic ? { (var.dns.quic) = { dns_name = module.front.udp.dns_name, zone_id = module.front.udp.zone_id } } : {}
}

module "alarms" {
  source      = "./modules/alarms"
  name        = var.name
  region      = var.region
  environment = var.environment
  kms_key_arn = module.secrets.kms_key_arn
  email       = var.email
  groups      = merge({ worker = module.workers.group_name }, local.on_instances ? { edge = module.edges[0].group_name } : {})
  nats_instances = {
    for i, id in module.nats.instance_ids : "nats-${i}" => id
  }
  front    = { balancer = module.front.tcp.arn_suffix, target_group = module.front.tcp_target_group_suffix }
  database = var.archive ? module.archive[0].identifier : ""
}
