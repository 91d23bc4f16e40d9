# Three NATS servers, one in each zone, each with a volume that outlives its instance. They are single instances and no group: a
# server has a name, a place in the cluster and a store of its own.

data "aws_ssm_parameter" "image" {
  count = var.image_id == "" ? 1 : 0
  name  = "/aws/service/debian/release/13/latest/${var.architecture}"
}

locals {
  full   = "${var.name}-nats"
  deploy = "${path.module}/../../.."
  hosts  = [for i in range(3) : "nats-${i}.${var.zone_name}"]

  # What start and secrets read.
  settings = {
    REGION  = var.region
    PACKAGE = var.package
    SECRET  = var.secret_arn
    HOSTS   = join(",", local.hosts)
  }

  config = [for i in range(3) : templatefile("${path.module}/files/nats.conf.tftpl", {
    name     = "nats-${i}"
    store_gb = floor(var.volume_gb * 0.8)
  })]

  user_data = [for i in range(3) : join("\n", ["#cloud-config", yamlencode({
    write_files = [for path, file in {
      "/etc/grandstand/nats.conf"                   = { content = local.config[i], mode = "0644" }
      "/etc/grandstand/users.conf"                  = { content = file("${local.deploy}/kubernetes/base/users.conf"), mode = "0644" }
      "/etc/systemd/system/grandstand-nats.service" = { content = file("${local.deploy}/systemd/grandstand-nats.service"), mode = "0644" }
      "/usr/local/lib/grandstand/start"             = { content = file("${path.module}/files/start"), mode = "0755" }
      "/usr/local/lib/grandstand/secrets"           = { content = file("${path.module}/files/secrets"), mode = "0755" }
      "/usr/local/lib/grandstand/settings"          = { content = join("", [for name, value in local.settings : "${name}='${value}'\n"]), mode = "0644" }
    } : { path = path, permissions = file.mode, content = file.content }]
    runcmd = ["/usr/local/lib/grandstand/start"]
  })])]

  policy = {
    Version = "2012-10-17"
    Statement = [
      { Sid = "Package", Effect = "Allow", Action = "s3:GetObject", Resource = "arn:${var.partition}:s3:::${trimprefix(var.package, "s3://")}" },
      { Sid = "Secrets", Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = var.secret_arn },
      { Sid = "Decrypt", Effect = "Allow", Action = "kms:Decrypt", Resource = var.kms_key_arn,
      Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } } },
    ]
  }
}

resource "aws_iam_role" "this" {
  name = local.full
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = local.full
  role   = aws_iam_role.this.id
  policy = jsonencode(local.policy)
}

resource "aws_iam_role_policy_attachment" "session" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "this" {
  name = local.full
  role = aws_iam_role.this.name
}

resource "aws_ebs_volume" "this" {
  count             = 3
  availability_zone = var.zones[count.index]
  size              = var.volume_gb
  type              = "gp3"
  iops              = var.volume_iops
  throughput        = var.volume_throughput
  encrypted         = true
  kms_key_id        = var.kms_key_arn
  tags              = { Name = "${local.full}-${count.index}", grandstand = "nats" }
  lifecycle {
    # The log of all rooms.
    prevent_destroy = true
  }
}

resource "aws_instance" "this" {
  count                       = 3
  ami                         = var.image_id == "" ? data.aws_ssm_parameter.image[0].value : var.image_id
  instance_type               = var.instance_type
  subnet_id                   = var.subnet_ids[count.index]
  vpc_security_group_ids      = [var.security_group_id]
  iam_instance_profile        = aws_iam_instance_profile.this.name
  user_data_base64            = base64gzip(local.user_data[count.index])
  ebs_optimized               = true
  monitoring                  = true
  disable_api_termination     = var.deletion_protection
  associate_public_ip_address = false
  tags                        = { Name = "${local.full}-${count.index}", grandstand = "nats" }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  root_block_device {
    volume_type = "gp3"
    volume_size = 20
    encrypted   = true
  }
  lifecycle {
    # A newer image or another configuration does not replace three servers at once; docs/operations/aws.md replaces one by one.
    ignore_changes = [ami, user_data_base64]
  }
}

resource "aws_volume_attachment" "this" {
  count       = 3
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.this[count.index].id
  instance_id = aws_instance.this[count.index].id
  # nats-server writes everything before the volume goes.
  stop_instance_before_detaching = true # unchecked: provider 4.0
}

resource "aws_route53_record" "this" {
  count   = 3
  zone_id = var.zone_id
  name    = local.hosts[count.index]
  type    = "A"
  ttl     = 30
  records = [aws_instance.this[count.index].private_ip]
}

# The hardware under an instance fails: AWS starts it again elsewhere in the zone, with the same address and volumes.
resource "aws_cloudwatch_metric_alarm" "recover" {
  count               = 3
  alarm_name          = "${local.full}-${count.index}-recover"
  alarm_description   = "The machine under nats-${count.index} has failed; the instance is recovered"
  namespace           = "AWS/EC2"
  metric_name         = "StatusCheckFailed_System"
  dimensions          = { InstanceId = aws_instance.this[count.index].id }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 2
  alarm_actions       = concat(["arn:${var.partition}:automate:${var.region}:ec2:recover"], var.alarm_topic_arns)
}
