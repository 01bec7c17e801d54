# Tintype on AWS: one table, one bucket for variants, and a Fargate service behind a load balancer. An example to start from:
# the network, the certificate and the two secrets are yours.
#
#	terraform init && terraform apply -var vpc_id=… -var 'public_subnets=["…","…"]' -var certificate_arn=… \
#	  -var root_key_arn=… -var secret_key_arn=… -var public_url=https://img.example.com

terraform {
  required_version = ">= 1.6"
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 6.0" }
  }
}

variable "region" { default = "eu-west-1" }
variable "vpc_id" {}
variable "public_subnets" { type = list(string) }
variable "certificate_arn" {}
variable "root_key_arn" {}   # a secret with 32 characters or more
variable "secret_key_arn" {} # a secret with 64 hex digits
variable "public_url" {}
variable "image" { default = "ghcr.io/tintype/tintype:latest" }
variable "nodes" { default = 3 }
variable "most_nodes" { default = 10 }

provider "aws" { region = var.region }

# As tintype store init makes it.
resource "aws_dynamodb_table" "store" {
  name         = "tintype"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"
  range_key    = "sk"
  attribute {
    name = "pk"
    type = "S"
  }
  attribute {
    name = "sk"
    type = "S"
  }
  ttl {
    attribute_name = "expires"
    enabled        = true
  }
  point_in_time_recovery { enabled = true }
  deletion_protection_enabled = true
}

resource "aws_s3_bucket" "variants" { bucket_prefix = "tintype-variants-" }

resource "aws_s3_bucket_public_access_block" "variants" {
  bucket                  = aws_s3_bucket.variants.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "variants" {
  bucket = aws_s3_bucket.variants.id
  rule {
    id     = "old variants"
    status = "Enabled"
    filter {}
    expiration { days = 30 }
  }
}

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# What the server may do: docs/store.md and docs/buckets.md.
resource "aws_iam_role" "server" {
  name_prefix        = "tintype-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy" "server" {
  role = aws_iam_role.server.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Action = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Query",
        "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DescribeTable", "dynamodb:DescribeContinuousBackups"]
        Resource = aws_dynamodb_table.store.arn
      },
      { Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], Resource = "${aws_s3_bucket.variants.arn}/*" },
      { Effect = "Allow", Action = ["s3:ListBucket"], Resource = aws_s3_bucket.variants.arn },
    ]
  })
}

# What starts it: the image's log, and the two secrets.
resource "aws_iam_role" "start" {
  name_prefix        = "tintype-start-"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "start" {
  role       = aws_iam_role.start.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "start" {
  role = aws_iam_role.start.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = [var.root_key_arn, var.secret_key_arn] }]
  })
}

resource "aws_cloudwatch_log_group" "tintype" {
  name              = "/tintype"
  retention_in_days = 30
}

data "aws_vpc" "here" { id = var.vpc_id }

resource "aws_security_group" "front" {
  vpc_id = var.vpc_id
  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "nodes" {
  vpc_id = var.vpc_id
  ingress {
    from_port       = 8080
    to_port         = 8080
    protocol        = "tcp"
    security_groups = [aws_security_group.front.id]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "front" {
  name_prefix     = "tint-"
  subnets         = var.public_subnets
  security_groups = [aws_security_group.front.id]
}

resource "aws_lb_target_group" "nodes" {
  name_prefix          = "tint-"
  vpc_id               = var.vpc_id
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  deregistration_delay = 10
  health_check {
    path                = "/readyz"
    interval            = 5
    timeout             = 2
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.front.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.nodes.arn
  }
}

resource "aws_ecs_cluster" "tintype" { name = "tintype" }

resource "aws_ecs_task_definition" "tintype" {
  family                   = "tintype"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 2048
  memory                   = 4096
  task_role_arn            = aws_iam_role.server.arn
  execution_role_arn       = aws_iam_role.start.arn
  ephemeral_storage { size_in_gib = 40 }
  container_definitions = jsonencode([{
    name      = "tintype"
    image     = var.image
    essential = true
    user      = "10001:10001"
    # Fargate's own folder, which is the image's /data, may be written to.
    readonlyRootFilesystem = false
    stopTimeout            = 40
    portMappings           = [{ containerPort = 8080 }]
    environment = [
      { name = "TINTYPE_STORE", value = "dynamodb://${aws_dynamodb_table.store.name}?region=${var.region}" },
      { name = "TINTYPE_CACHE_BUCKET", value = "s3://${aws_s3_bucket.variants.bucket}?region=${var.region}" },
      { name = "TINTYPE_PUBLIC_URL", value = var.public_url },
      { name = "TINTYPE_TRUSTED_PROXIES", value = data.aws_vpc.here.cidr_block },
    ]
    secrets = [
      { name = "TINTYPE_ROOT_KEY", valueFrom = var.root_key_arn },
      { name = "TINTYPE_SECRET_KEY", valueFrom = var.secret_key_arn },
    ]
    healthCheck = { command = ["CMD", "tintype", "health"], interval = 10, timeout = 3, startPeriod = 10 }
    logConfiguration = {
      logDriver = "awslogs"
      options   = { "awslogs-group" = aws_cloudwatch_log_group.tintype.name, "awslogs-region" = var.region, "awslogs-stream-prefix" = "node" }
    }
  }])
}

resource "aws_ecs_service" "tintype" {
  name            = "tintype"
  cluster         = aws_ecs_cluster.tintype.id
  task_definition = aws_ecs_task_definition.tintype.arn
  desired_count   = var.nodes
  launch_type     = "FARGATE"
  network_configuration {
    subnets          = var.public_subnets
    security_groups  = [aws_security_group.nodes.id]
    assign_public_ip = true
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.nodes.arn
    container_name   = "tintype"
    container_port   = 8080
  }
  depends_on = [aws_lb_listener.https]
  lifecycle { ignore_changes = [desired_count] } # which the policy below sets
}

# Comes quickly and leaves slowly, since the cache of a node goes with it.
resource "aws_appautoscaling_target" "nodes" {
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.tintype.name}/${aws_ecs_service.tintype.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.nodes
  max_capacity       = var.most_nodes
}

resource "aws_appautoscaling_policy" "cpu" {
  name               = "tintype-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.nodes.service_namespace
  resource_id        = aws_appautoscaling_target.nodes.resource_id
  scalable_dimension = aws_appautoscaling_target.nodes.scalable_dimension
  target_tracking_scaling_policy_configuration {
    predefined_metric_specification { predefined_metric_type = "ECSServiceAverageCPUUtilization" }
    target_value       = 70
    scale_out_cooldown = 60
    scale_in_cooldown  = 900
  }
}

output "address" { value = aws_lb.front.dns_name }
