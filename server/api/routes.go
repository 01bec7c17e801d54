package api

// routes registers every operation of the API. Each resource has its own file.
func (a *api) routes() {
	a.workspaceRoutes()
	a.partRoutes()
	a.tryoutRoutes()
	a.signingRoutes()
	a.apiKeyRoutes()
	a.memberRoutes()
	a.accountRoutes()
	a.domainRoutes()
	a.planRoutes()
	a.billingRoutes()
	a.alertRoutes()
	a.purgeRoutes()
	a.usageRoutes()
	a.auditRoutes()
	a.explainRoutes()
	a.imageRoutes()
	a.blockRoutes()
	a.documentRoutes()
	a.pageRoute()
}
