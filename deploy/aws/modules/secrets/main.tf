# A key, and secrets without values: the values are put in by hand (docs/operations/aws.md), so that no state file has them.

locals {
  contents = {
    nats        = "Passwords of NATS' users: the variables of config/nats.conf, and NATS_ROUTE_PASSWORD"
    edge        = "Environment of edges: GRANDSTAND_EDGE_CLUSTER_URL, GRANDSTAND_EDGE_AUTH_SECRET, GRANDSTAND_EDGE_EDGE_ADMIN_TOKEN, GRANDSTAND_EDGE_TLS_TICKET_SECRET"
    worker      = "Environment of workers: GRANDSTAND_WORKER_CLUSTER_URL, GRANDSTAND_WORKER_WORKER_ADMIN_TOKEN"
    archive     = "Environment of the archive: GRANDSTAND_ARCHIVE_CLUSTER_URL, GRANDSTAND_ARCHIVE_ARCHIVE_POSTGRES"
    certificate = "Certificate and key of the edges, in PEM: certificate, key"
  }

  policy = {
    Version = "2012-10-17"
    Statement = [
      # IAM decides, as for a key without a policy of its own.
      { Sid = "Account", Effect = "Allow", Action = "kms:*", Resource = "*", Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" } },
      { Sid    = "Logs", Effect = "Allow", Resource = "*", Principal = { Service = "logs.${var.region}.amazonaws.com" },
        Action = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
      Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = [for group in ["/grandstand/*", "aws-waf-logs-${var.name}", "/aws/eks/${var.name}-*"] : "arn:${var.partition}:logs:${var.region}:${var.account_id}:log-group:${group}"] } } },
      { Sid = "Alarms", Effect = "Allow", Resource = "*", Principal = { Service = "cloudwatch.amazonaws.com" }, Action = ["kms:Decrypt", "kms:GenerateDataKey*"],
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } } },
    ]
  }
}

resource "aws_kms_key" "this" {
  description         = "${var.name}: secrets, volumes, logs and topics"
  enable_key_rotation = true
  policy              = jsonencode(local.policy)
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_secretsmanager_secret" "this" {
  for_each    = local.contents
  name        = "${var.name}/${each.key}"
  description = each.value
  kms_key_id  = aws_kms_key.this.arn
}
